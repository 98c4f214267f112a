"""Inputs of a `RoutedModel`: which images it accepts, and the errors and warnings for all others."""
