"""Charts of networks with early exits."""
