"""What is remembered: one noun, one module, with its table and its queries."""
