"""Datasets as arrays, and batches of augmented images."""

from tf_routing.data.datasets import Dataset, ImageSet, list_datasets, load

__all__ = ["Dataset", "ImageSet", "list_datasets", "load"]
