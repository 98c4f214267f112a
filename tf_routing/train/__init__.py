"""The command line and what it runs: fit, evaluate, export, demo."""
