"""Batches of images in memory as NumPy arrays, for backends and machines without TensorFlow.

They mean what the pipelines of `memory_pipeline` mean, and draw other numbers. Each batch can be made by itself, from
the seed and its number.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.data.augmentation.array_augmentation import mirror_chosen, shift_and_mirror
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.images.image_set import ImageSet

# What is drawn for one thing must not repeat in another.
_ORDER, _AUGMENTATION, _INPUTS, _FLIPS = 0, 1, 2, 3


class TrainingArrays(keras.utils.PyDataset):
    """Shuffled, augmented batches of all epochs in a row; see `batches.training_batches`.

    Args:
        image_set: Images and labels.
        plan: What the batches hold.
    """

    def __init__(self, image_set: ImageSet, plan: BatchPlan) -> None:
        super().__init__()
        self.image_set, self.plan = image_set, plan
        self.steps = plan.count_steps(image_set)
        self._newest_order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.plan.epoch_range) * self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        plan, size = self.plan, self.plan.images_per_batch
        step = plan.first_epoch * self.steps + index
        epoch, position = divmod(step, self.steps)
        indices = np.repeat(self._order(epoch)[position * size : (position + 1) * size], plan.copies)
        labels = self.image_set.labels[indices]
        mirror = plan.mirror if isinstance(plan.mirror, bool) else np.asarray(plan.mirror)[labels]
        random = np.random.default_rng([plan.seed, _AUGMENTATION, step])
        drawn = not plan.alternate_mirror and mirror
        images = shift_and_mirror(self.image_set.images[indices], plan.shift, drawn, random, plan.fill)
        if plan.alternate_mirror:
            images = mirror_chosen(images, self._turn(epoch, indices) & mirror)
        return _scale(images), labels

    def _turn(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        """Returns whether it is each image's turn to be mirrored."""
        copies = np.arange(len(indices)) % self.plan.copies
        return self._mirrored_first[indices] ^ ((epoch + copies) % 2 == 1)

    @functools.cached_property
    def _mirrored_first(self) -> np.ndarray:
        """Booleans of all images: which of them the first epoch mirrors."""
        return np.random.default_rng([self.plan.seed, _FLIPS]).random(self.image_set.image_count) < 0.5

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the indices of an epoch's images; the last order asked for is kept."""
        if self._newest_order is None or self._newest_order[0] != epoch:
            random, count = np.random.default_rng([self.plan.seed, _ORDER, epoch]), self.image_set.image_count
            if self.plan.steps_per_epoch:
                order = random.integers(0, count, self.steps * self.plan.images_per_batch)
            else:
                order = random.permutation(count)
            self._newest_order = epoch, order
        return self._newest_order[1]


class EvaluationArrays(keras.utils.PyDataset):
    """All images in order, the last batch possibly smaller.

    Args:
        image_set: Images and labels.
        batch_size: Integer, most rows of a batch.
    """

    def __init__(self, image_set: ImageSet, batch_size: int) -> None:
        super().__init__()
        self.image_set, self.batch_size = image_set, batch_size

    def __len__(self) -> int:
        return -(-self.image_set.image_count // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return _scale(self.image_set.images[rows]), self.image_set.labels[rows]


class ExtraInputArrays(keras.utils.PyDataset):
    """Batches of arrays with inputs besides the images, one number per sample; see `extra_inputs`.

    Args:
        batches: The batches.
        values: What to draw from for each sample, by name of the input.
        seed: Integer of at least zero; with the step's number it decides what is drawn.
        first_step: Integer, steps done before the first batch.
    """

    def __init__(self, batches: Any, values: Mapping[str, Sequence[float]], seed: int = 0, first_step: int = 0) -> None:
        super().__init__()
        self.batches, self.values, self.seed, self.first_step = batches, values, seed, first_step

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        images, labels = self.batches[index]
        random = np.random.default_rng([self.seed, _INPUTS, self.first_step + index])
        # Columns, as `RoutedModel.predict` makes them of numbers.
        drawn = {
            name: random.choice(np.asarray(each, "float32"), (len(images), 1)) for name, each in self.values.items()
        }
        return {"image": images, **drawn}, labels


def _scale(images: np.ndarray) -> np.ndarray:
    return images.astype("float32") / 255
