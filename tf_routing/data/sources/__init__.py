"""Loads datasets from where they are kept: TensorFlow Datasets, scikit-learn, folders of image files."""
