"""What is drawn for each training step of images in memory: which ones, how they move, and inputs besides them."""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tf_routing.data.augmentation.array_augmentation import Moves, draw_moves
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.images.image_set import ImageSet

# What is drawn for one thing must not repeat in another.
_ORDER, _AUGMENTATION, _INPUTS, _FLIPS = 0, 1, 2, 3


class StepDraw(NamedTuple):
    """What is drawn for one step.

    Args:
        indices: Integers `(batch,)`, which images, copies included.
        moves: How each is shifted and mirrored.
    """

    indices: np.ndarray
    moves: Moves


class TrainingDraws:
    """Draws what training steps hold, each from the seed and its number alone.

    Args:
        image_set: Images and labels.
        plan: What the batches hold.

    Raises:
        ValueError: If the images do not fill one batch.
    """

    def __init__(self, image_set: ImageSet, plan: BatchPlan) -> None:
        self.plan, self.labels = plan, image_set.labels
        self.steps = plan.count_steps(image_set)
        self._newest_order: tuple[int, np.ndarray] | None = None

    def draw(self, step: int) -> StepDraw:
        """Returns what a step holds.

        Args:
            step: Integer, its number, counted over all epochs.
        """
        plan, size = self.plan, self.plan.images_per_batch
        epoch, position = divmod(step, self.steps)
        indices = np.repeat(self._order(epoch)[position * size : (position + 1) * size], plan.copies)
        mirror = plan.mirror if isinstance(plan.mirror, bool) else np.asarray(plan.mirror)[self.labels[indices]]
        random = np.random.default_rng([plan.seed, _AUGMENTATION, step])
        moves = draw_moves(len(indices), plan.shift, not plan.alternate_mirror and mirror, random)
        if plan.alternate_mirror:
            moves = moves._replace(mirrored=self._turn(epoch, indices) & mirror)
        return StepDraw(indices, moves)

    def _turn(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        """Returns whether it is each image's turn to be mirrored."""
        copies = np.arange(len(indices)) % self.plan.copies
        return self._mirrored_first[indices] ^ ((epoch + copies) % 2 == 1)

    @functools.cached_property
    def _mirrored_first(self) -> np.ndarray:
        """Booleans of all images: which of them the first epoch mirrors."""
        return np.random.default_rng([self.plan.seed, _FLIPS]).random(len(self.labels)) < 0.5

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the indices of an epoch's images; the last order asked for is kept."""
        if self._newest_order is None or self._newest_order[0] != epoch:
            random, count = np.random.default_rng([self.plan.seed, _ORDER, epoch]), len(self.labels)
            if self.plan.steps_per_epoch:
                order = random.integers(0, count, self.steps * self.plan.images_per_batch)
            else:
                order = random.permutation(count)
            self._newest_order = epoch, order
        return self._newest_order[1]


def draw_inputs(values: Mapping[str, Sequence[float]], count: int, seed: int, step: int) -> dict[str, np.ndarray]:
    """Draws inputs besides the image, one number for each image of a step, evenly from some values.

    Args:
        values: What to draw from, by name of the input.
        count: Integer, images of the step.
        seed: Integer of at least zero.
        step: Integer, number of the step, counted over all epochs.

    Returns:
        Dict of float32 arrays `(count, 1)`: columns, as `RoutedModel.predict` makes them of numbers.

    Example:

    >>> draw_inputs({"cost": [0.5]}, count=2, seed=0, step=0)["cost"].tolist()
    [[0.5], [0.5]]
    """
    random = np.random.default_rng([seed, _INPUTS, step])
    return {name: random.choice(np.asarray(each, "float32"), (count, 1)) for name, each in values.items()}
