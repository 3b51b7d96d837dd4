"""The titles' criteria: data, the model that reads it, points, and the check."""
