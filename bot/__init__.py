"""The machine: hears, sends, keeps time, serves pages; no rules."""
