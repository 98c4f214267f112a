"""Training of a `RoutedModel`: compiling with an objective, the step, its logs, checks of labels, saved state."""
