"""What the bot says and decides: one slice for each thing that it can do."""
