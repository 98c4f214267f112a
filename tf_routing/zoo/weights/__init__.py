"""Finds, checks and loads the weights of `zoo.get(name, weights=...)`."""
