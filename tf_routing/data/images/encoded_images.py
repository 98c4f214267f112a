"""Encoded images that stay in their files until a batch needs them: the base class of streams and image files."""

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tf_routing.data.images.decoding.framing import PHOTOGRAPH_CROP, Framing, check_crop
from tf_routing.support.validation import positive_integer

# Of the 1.28 million training images of ImageNet, as everyone uses them for photographs.
_IMAGENET_MEANS = [0.485, 0.456, 0.406]
_IMAGENET_DEVIATIONS = [0.229, 0.224, 0.225]

Self = TypeVar("Self", bound="EncodedImages")


@dataclasses.dataclass(frozen=True)
class EncodedImages(abc.ABC):
    """Encoded images of any sizes with their class indices.

    Subclasses say how files hold them.

    Args:
        files: Paths of the files.
        image_count: Integer, images in all files.
        image_size: Integer, height and width that images are resized to, or `None` where that is still open.
        random_size_crop: Boolean, whether training sees parts of random place, size and ratio instead of the centre.
        resize: Integer, height and width that pictures are resized to, whatever their aspect ratio, before squares of
            `image_size` are cut out: in training at random places, else the centre. `None` keeps the ratio, brings the
            shorter side to what `crop` says, and sees the centre.
        crop: Number in (0, 1], for `resize=None`: the share of the shorter side that the centre is. A picture that has
            the size of an image is seen as it is, but where training cuts at random.
    """

    files: tuple[str, ...]
    image_count: int
    image_size: int | None = None
    random_size_crop: bool = False
    resize: int | None = None
    crop: float = PHOTOGRAPH_CROP

    @property
    def framing(self) -> Framing:
        """What evaluation sees of a picture."""
        height, width, _ = self.image_shape
        return Framing(height, width, self.crop, self.resize)

    @property
    def image_shape(self) -> tuple[Any, Any, int]:
        """The shape `(height, width, channels)` of an image in a batch, `None` twice where the size is open.

        Grey images get three channels too.
        """
        return self.image_size, self.image_size, 3

    @property
    @abc.abstractmethod
    def labels(self) -> np.ndarray:
        """All class indices in the order of the files."""

    def distinct_labels(self) -> np.ndarray:
        """Returns every label that an image has, in order."""
        return np.unique(self.labels)

    @abc.abstractmethod
    def first_classes(self: Self, count: int) -> Self:
        """Returns the images whose class index is below `count`."""

    @abc.abstractmethod
    def relabelled(self: Self, new_labels: Sequence[int | None]) -> Self:
        """Returns the images with other class indices.

        Args:
            new_labels: The new index of each class, or `None` for one whose images are left out.
        """

    @abc.abstractmethod
    def in_order(self) -> Any:
        """Returns the records of all images as a `tf.data.Dataset`, in the order of the files."""

    @abc.abstractmethod
    def shuffled(self, seed: Any) -> Any:
        """Returns the records of all images as a `tf.data.Dataset`, in an order that the seed decides.

        Args:
            seed: Integer tensor of shape (2,).
        """

    @abc.abstractmethod
    def read(self, record: Any) -> tuple[Any, Any]:
        """Returns the encoded picture of a record, a string tensor, and its class index."""

    def sized(
        self: Self,
        image_size: int | None,
        random_size_crop: bool = False,
        resize: int | None = None,
        crop: float = PHOTOGRAPH_CROP,
    ) -> Self:
        """Returns the images with one size.

        Args:
            image_size: Integer, height and width.
            random_size_crop: Boolean; see the class.
            resize: Integer, at least `image_size`, or `None`; see the class.
            crop: Number in (0, 1]; see the class.

        Returns:
            Images of the same kind.

        Raises:
            ValueError: If there is no size, or the arguments contradict each other.
        """
        if image_size is None:
            raise ValueError(
                "`image_size` must be set in the recipe for a dataset whose images are read from files, for example "
                "`image_size = 224`: they may be of any size. Received: image_size=None"
            )
        positive_integer("image_size", image_size)
        check_resize(resize, image_size, random_size_crop)
        return dataclasses.replace(
            self, image_size=image_size, random_size_crop=random_size_crop, resize=resize, crop=check_crop(crop)
        )

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Returns means and deviations per channel of ImageNet's images scaled to [0, 1], whatever the dataset."""
        return list(_IMAGENET_MEANS), list(_IMAGENET_DEVIATIONS)


def check_resize(resize: int | None, image_size: int | None, random_size_crop: bool) -> None:
    """Raises a `ValueError` if pictures cannot be resized to this size before they are cropped."""
    if resize is None:
        return
    positive_integer("resize", resize)
    if image_size is None or resize < image_size:
        raise ValueError(
            f"`resize` must be at least what is cut out, image_size={image_size!r}. Received: resize={resize!r}"
        )
    if random_size_crop:
        raise ValueError(
            f"`resize` must be left out where random_size_crop=True crops whole pictures. Received: resize={resize!r}"
        )
