"""The folder of a run: its record, what is found in it and what is removed from it."""
