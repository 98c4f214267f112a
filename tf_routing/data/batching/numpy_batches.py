"""Batches of images in memory as NumPy arrays, for backends and machines without TensorFlow.

They mean what the pipelines of `memory_pipeline` mean, and draw other numbers. Each batch can be made by itself, from
the seed and its number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.data.augmentation.array_augmentation import move
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.training_draws import TrainingDraws, draw_inputs
from tf_routing.data.images.image_set import ImageSet


class TrainingArrays(keras.utils.PyDataset):
    """Shuffled, augmented batches of all epochs in a row; see `batches.training_batches`.

    Args:
        image_set: Images and labels.
        plan: What the batches hold.
    """

    def __init__(self, image_set: ImageSet, plan: BatchPlan) -> None:
        super().__init__()
        self.image_set, self.plan = image_set, plan
        self.draws = TrainingDraws(image_set, plan)
        self.steps = self.draws.steps

    def __len__(self) -> int:
        return len(self.plan.epoch_range) * self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        indices, moves = self.draws.draw(self.plan.first_epoch * self.steps + index)
        images = move(self.image_set.images[indices], self.plan.shift, moves, self.plan.fill)
        return _scale(images), self.image_set.labels[indices]


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
        drawn = draw_inputs(self.values, len(images), self.seed, self.first_step + index)
        return {"image": images, **drawn}, labels


def _scale(images: np.ndarray) -> np.ndarray:
    return images.astype("float32") / 255
