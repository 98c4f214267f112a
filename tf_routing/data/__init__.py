"""Datasets of images, in memory or read from files, and batches of them for training and evaluation."""

from tf_routing.data.calibration import calibration_split
from tf_routing.data.dataset import Dataset
from tf_routing.data.datasets import list_datasets, load
from tf_routing.data.images.image_set import ImageSet
from tf_routing.data.images.image_stream import ImageStream
from tf_routing.data.images.picture_files import PictureFiles

__all__ = ["Dataset", "ImageSet", "ImageStream", "PictureFiles", "calibration_split", "list_datasets", "load"]
