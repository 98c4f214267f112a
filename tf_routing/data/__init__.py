"""Datasets as arrays or as streams of files, and batches of augmented images."""

from tf_routing.data.datasets import Dataset, list_datasets, load
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.images.image_stream import ImageStream
from tf_routing.data.images.picture_files import PictureFiles

__all__ = ["Dataset", "ImageSet", "ImageStream", "PictureFiles", "list_datasets", "load"]
