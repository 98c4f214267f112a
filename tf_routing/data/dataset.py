"""The class `Dataset`: training and test images with their classes, in memory or in files."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.data.images.decoding.framing import PHOTOGRAPH_CROP
from tf_routing.support.validation import first_few, positive_integer


class Dataset(NamedTuple):
    """A training and a test set.

    Args:
        name: Name for `load`.
        train: Images to learn from, an `ImageSet` in memory, an `ImageStream` or `PictureFiles`.
        test: Images to be measured on, of the same kind.
        class_names: Names by class index.
        mirrors: Boolean, whether a mirrored image is still of its class, or a tuple that says it of each class.
        held_out: Float, the share of each class that was held out of the training images to be the test set, `None`
            where the dataset has one.
        ignored: A sentence on files of the folder that are no images and were not read; empty where there are none.
        calibration_share: Float, the share of each class that was taken out of the training images, for
            `calibration_split`; `None` where none was.
    """

    name: str
    train: Any
    test: Any
    class_names: list[str]
    mirrors: bool | tuple[bool, ...]
    held_out: float | None = None
    ignored: str = ""
    calibration_share: float | None = None

    @property
    def note(self) -> str:
        """What to know about the dataset, if anything."""
        return " ".join(filter(None, [self._held_out_note(), self.ignored]))

    def _held_out_note(self) -> str:
        if self.held_out is None:
            return ""
        count = self.train.image_count + self.test.image_count
        return (
            f"{self.name} has no test set: {self.test.image_count} of its {count} pictures, {self.held_out:.0%} of "
            "each class and always the same, are held out for tests."
        )

    @property
    def classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[Any, Any, int]:
        """The shape `(height, width, channels)` of an image, `None` twice where the size is open; see `sized`."""
        return self.train.image_shape

    def check_labels(self) -> None:
        """Looks at the labels of all images; those of TFRecord files are read once, see `class_counts`.

        Raises:
            ValueError: If one of them fits no class.

        Example:

        >>> from tf_routing import data
        >>> data.load("digits")._replace(class_names=["0", "1"]).check_labels()
        Traceback (most recent call last):
            ...
        ValueError: `train` must have labels that are whole numbers from 0 to 1, for the 2 classes of 'digits'. ...
        """
        for part, images in (("train", self.train), ("test", self.test)):
            labels = np.asarray(images.distinct_labels())
            wrong = labels[~((labels >= 0) & (labels < self.classes) & (labels == np.floor(labels)))]
            if len(wrong):
                raise ValueError(
                    f"`{part}` must have labels that are whole numbers from 0 to {self.classes - 1}, for the "
                    f"{self.classes} classes of {self.name!r}. Received: labels {first_few(list(map(str, wrong)))}"
                )

    def first_classes(self, count: int) -> "Dataset":
        """Returns the dataset with its first classes alone, as the papers cut ImageNet down to 100.

        Args:
            count: Integer, number of classes to keep.

        Returns:
            A `Dataset`.

        Raises:
            ValueError: If there are not so many classes, or no images of them.

        Example:

        >>> from tf_routing import data
        >>> data.load("digits").first_classes(3).class_names
        ['0', '1', '2']
        """
        if positive_integer("first_classes", count) > self.classes:
            raise ValueError(
                f"`first_classes` must be at most {self.classes}, the classes of {self.name!r}. "
                f"Received: first_classes={count!r}"
            )
        if count == self.classes:
            return self
        mirrors = self.mirrors if isinstance(self.mirrors, bool) else self.mirrors[:count]
        train, test = self.train.first_classes(count), self.test.first_classes(count)
        if not (train.image_count and test.image_count):
            raise ValueError(
                f"`first_classes` leaves {train.image_count} training and {test.image_count} test images of "
                f"{self.name!r}. Received: first_classes={count!r}"
            )
        return self._replace(train=train, test=test, class_names=self.class_names[:count], mirrors=mirrors)

    def of_classes(self, names: Sequence[str], others: bool = False) -> "Dataset":
        """Returns the dataset with its classes numbered as these, for a network that has learnt them in this order.

        Args:
            names: Names of classes.
            others: Boolean, whether the dataset may have other classes too, whose images are then left out.

        Returns:
            A `Dataset`.

        Raises:
            ValueError: If the dataset lacks a class, or has another.

        Example:

        >>> from tf_routing import data
        >>> data.load("digits").of_classes(["7", "1"], others=True).class_names
        ['7', '1']
        """
        missing = [name for name in names if name not in self.class_names]
        extra = [] if others else [name for name in self.class_names if name not in names]
        if missing or extra:
            raise ValueError(
                f"`dataset` must have the classes that the network learnt. {self.name!r} lacks {first_few(missing)}, "
                f"and has besides {first_few(extra)}."
            )
        if list(names) == self.class_names:
            return self
        new_labels = [names.index(name) if name in names else None for name in self.class_names]
        mirrors = self.mirrors if isinstance(self.mirrors, bool) else self._mirrors_of(names)
        train, test = self.train.relabelled(new_labels), self.test.relabelled(new_labels)
        return self._replace(train=train, test=test, class_names=list(names), mirrors=mirrors)

    def _mirrors_of(self, names: Sequence[str]) -> tuple[bool, ...]:
        by_name = dict(zip(self.class_names, self.mirrors, strict=True))  # type: ignore[arg-type]
        return tuple(by_name[name] for name in names)

    def sized(
        self,
        image_size: int | None,
        random_size_crop: bool = False,
        resize: int | None = None,
        crop: float = PHOTOGRAPH_CROP,
    ) -> "Dataset":
        """Returns the dataset with all images of one size.

        Args:
            image_size: Integer, height and width; `None` for the size of the dataset, which only one in memory has.
            random_size_crop: Boolean, whether training sees parts of random place, size and ratio; only of images that
                are not in memory.
            resize: Integer, height and width that pictures are resized to before squares of `image_size` are cut out,
                at random in training and the centre in tests; only of images that are not in memory. See
                `EncodedImages`.
            crop: Number in (0, 1], for `resize=None`: the share of a picture's shorter side that its centre is; only of
                images that are not in memory.

        Returns:
            A `Dataset`.

        Raises:
            ValueError: If the dataset cannot do that.
        """
        train = self.train.sized(image_size, random_size_crop, resize, crop)
        return self._replace(train=train, test=self.test.sized(image_size, resize=resize, crop=crop))

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Returns means and deviations per channel of training images scaled to [0, 1].

        Those of the set itself where it is in memory, else those of ImageNet: 0.485, 0.456, 0.406 and 0.229, 0.224,
        0.225.
        """
        return self.train.channel_statistics()
