"""Images that fit in memory, as one array."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tf_routing.data.images.decoding.framing import Framing


class ImageSet(NamedTuple):
    """Images `(count, height, width, channels)`, uint8, and their class indices `(count,)`."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def image_count(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def framing(self) -> Framing:
        """How pictures of other sizes become such images: at most as large as they must be, and the centre of them."""
        height, width, _ = self.image_shape
        return Framing(height, width)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape `(height, width, channels)` of an image."""
        return self.images.shape[1:]

    def distinct_labels(self) -> np.ndarray:
        """Returns every label that an image has, in order.

        Raises:
            ValueError: If there is not one label for each image.
        """
        if np.shape(self.labels) != (len(self.images),):
            raise ValueError(
                f"`labels` must be class indices of shape ({len(self.images)},), one for each image. Received: labels "
                f"of shape {np.shape(self.labels)}"
            )
        return np.unique(self.labels)

    def first_classes(self, count: int) -> "ImageSet":
        """Returns the images whose class index is below `count`."""
        kept = self.labels < count
        return ImageSet(self.images[kept], self.labels[kept])

    def relabelled(self, new_labels: Sequence[int | None]) -> "ImageSet":
        """Returns the images with other class indices.

        Args:
            new_labels: The new index of each class, or `None` for one whose images are left out.
        """
        table = np.array([-1 if label is None else label for label in new_labels])
        labels = table[self.labels]
        return ImageSet(self.images[labels >= 0], labels[labels >= 0])

    def sized(
        self,
        image_size: int | None,
        random_size_crop: bool = False,
        resize: int | None = None,
        crop: float | None = None,
    ) -> "ImageSet":
        """Returns the set itself: its images have one size, and stay as they are.

        Args:
            image_size: `None` or the height and width that the images have.
            random_size_crop: `False`.
            resize: As `image_size`.
            crop: Means nothing here: images of the right size are seen as they are.

        Returns:
            The set.

        Raises:
            ValueError: If an argument asks for anything else.
        """
        height, width, _ = self.image_shape
        for name, size in {"image_size": image_size, "resize": resize}.items():
            if size is not None and (size, size) != (height, width):
                raise ValueError(
                    f"`{name}` must be left out, or be that of the images, for a dataset in memory, which is "
                    f"{height} by {width}. Received: {name}={size!r}"
                )
        if random_size_crop:
            raise ValueError(
                "`random_size_crop` must be False for a dataset in memory; `shift` moves its images. "
                f"Received: random_size_crop={random_size_crop!r}"
            )
        return self

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Returns means and deviations per channel of the images scaled to [0, 1]."""
        # Sums per pixel value, not float copies of all images: exact, and a fraction of the memory.
        values = np.arange(256) / 255
        counts = [
            np.bincount(self.images[..., channel].reshape(-1), minlength=256) for channel in range(self.image_shape[2])
        ]
        shares = np.stack(counts) / self.images[..., 0].size
        means = shares @ values
        deviations = np.sqrt(shares @ values**2 - means**2)
        return means.tolist(), deviations.tolist()
