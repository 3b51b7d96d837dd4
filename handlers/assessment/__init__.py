"""A citizen or a family assesses itself."""
