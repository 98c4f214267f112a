"""Loads datasets from where they are kept: this package, TensorFlow Datasets, folders of image files."""
