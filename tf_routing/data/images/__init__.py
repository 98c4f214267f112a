"""Images of a dataset, in memory or in files."""
