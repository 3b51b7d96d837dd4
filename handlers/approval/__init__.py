"""Officers decide, step by step, and are told when it is their turn."""
