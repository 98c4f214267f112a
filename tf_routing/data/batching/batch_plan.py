"""What the training batches of a run hold: rows, epochs, order and augmentation, in one value."""

import dataclasses
from typing import Any

from tf_routing.data.batching.epoch_steps import check_fills_a_batch, steps_per_epoch

FILLS = ("zero", "mean_light")
"""What may move in where an image is shifted; see `shift_and_mirror`."""


@dataclasses.dataclass(frozen=True)
class BatchPlan:
    """How a training set becomes batches.

    The order of an epoch and what happens to its images depend on the seed and the epoch's number alone, so a run that
    continues sees what an uninterrupted one would have seen. The last images that do not fill a batch are left out,
    other ones in each epoch.

    Args:
        batch_size: Integer, rows of a batch: a multiple of `copies`, with at most as many images as there are.
        seed: Integer of at least zero.
        epochs: Integer, number of the last epoch.
        first_epoch: Integer, epochs already done.
        shift: Integer, pixels by which images move at most; see `shift_and_mirror`.
        mirror: Boolean, whether images are flipped at random; for images in memory also one per class.
        alternate_mirror: Boolean, for images in memory: whether an epoch flips the images that the epoch before did
            not (Jordan, 2024, arXiv:2404.00498, section 3.6). The seed decides which ones the first epoch flips, and of
            copies, neighbours differ.
        copies: Integer, neighbouring rows of a batch that show one image, each augmented by itself.
        fill: What moves in where an image is shifted; see `shift_and_mirror`. In memory only, but for `"zero"`.
        steps_per_epoch: Integer, for images in memory: steps of an epoch whose images are drawn with replacement. Where
            not given, an epoch shows each image once.

    Example:

    >>> plan = BatchPlan(batch_size=128, seed=0, epochs=3, first_epoch=1, copies=2)
    >>> plan.images_per_batch, plan.epoch_range
    (64, range(1, 3))
    """

    batch_size: int
    seed: int
    epochs: int
    first_epoch: int = 0
    shift: int = 0
    mirror: bool | tuple[bool, ...] = False
    alternate_mirror: bool = False
    copies: int = 1
    fill: str = "zero"
    steps_per_epoch: int | None = None

    @property
    def images_per_batch(self) -> int:
        """The number of different images in a batch."""
        return self.batch_size // self.copies

    @property
    def epoch_range(self) -> range:
        """The numbers of the epochs, counted from zero."""
        return range(self.first_epoch, self.epochs)

    def count_steps(self, image_set: Any) -> int:
        """Returns the steps of an epoch on these images.

        Raises:
            ValueError: If they do not fill one batch.
        """
        check_fills_a_batch(image_set, self.batch_size, self.copies)
        return self.steps_per_epoch or steps_per_epoch(image_set, self.batch_size, self.copies)
