"""Measures trained networks: accuracy, executed multiply-accumulates, routes, exits and times."""
