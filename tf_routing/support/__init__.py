"""Helpers that every room may import and that import none: argument checks, files, optional packages, terminal."""
