"""The training step of a `RoutedModel` and what it logs, checks and saves."""
