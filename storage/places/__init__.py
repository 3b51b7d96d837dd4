"""Loading and finding places: official lists, village lists, what people type."""
