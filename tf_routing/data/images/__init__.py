"""Images of a dataset, in memory or encoded in files, and the crops that a network sees of them."""
