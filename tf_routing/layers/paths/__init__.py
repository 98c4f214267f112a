"""Layers that exchange features between parallel paths."""
