"""Layers that connect parallel paths."""
