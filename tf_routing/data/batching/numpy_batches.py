"""Batches of images in memory as arrays, for backends and machines without TensorFlow.

They mean what the `tf.data` pipelines of `batches` mean, and draw other numbers. Each batch can be made by itself, from
the seed and its number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_routing.data.augmentation.array_augmentation import shift_and_mirror
from tf_routing.data.images.image_set import ImageSet

# What is drawn for one thing must not repeat in another.
_ORDER, _AUGMENTATION, _INPUTS = 0, 1, 2


class TrainingArrays(keras.utils.PyDataset):
    """Shuffled, augmented batches of all epochs in a row; see `batches.training_batches`.

    Args:
        image_set: Images and labels.
        batch_images: Integer, different images of a batch.
        seed: Integer of at least zero.
        epochs: Range of the epochs' numbers.
        shift: Integer, pixels.
        mirror: Boolean, or one per class.
        copies: Integer, neighbouring rows that show one image.
        fill: `"zero"` or `"mean_light"`.
        drawn_steps: Integer, steps of an epoch whose images are drawn with replacement, or `None`.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_images: int,
        seed: int,
        epochs: range,
        shift: int = 0,
        mirror: bool | Sequence[bool] = False,
        copies: int = 1,
        fill: str = "zero",
        drawn_steps: int | None = None,
    ) -> None:
        super().__init__()
        self.image_set, self.batch_images, self.seed, self.epochs = image_set, batch_images, seed, epochs
        self.shift, self.mirror, self.copies, self.fill = shift, mirror, copies, fill
        self.drawn_steps = drawn_steps
        self.steps = drawn_steps or image_set.image_count // batch_images
        self._known: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.epochs) * self.steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        step = self.epochs.start * self.steps + index
        epoch, position = divmod(step, self.steps)
        first = position * self.batch_images
        indices = np.repeat(self._order(epoch)[first : first + self.batch_images], self.copies)
        labels = self.image_set.labels[indices]
        mirror = self.mirror if isinstance(self.mirror, bool) else np.asarray(self.mirror)[labels]
        random = np.random.default_rng([self.seed, _AUGMENTATION, step])
        images = shift_and_mirror(self.image_set.images[indices], self.shift, mirror, random, self.fill)
        return _scaled(images), labels

    def _order(self, epoch: int) -> np.ndarray:
        """The indices of an epoch's images; the last one asked for is kept."""
        if self._known is None or self._known[0] != epoch:
            random, count = np.random.default_rng([self.seed, _ORDER, epoch]), self.image_set.image_count
            if self.drawn_steps:
                order = random.integers(0, count, self.drawn_steps * self.batch_images)
            else:
                order = random.permutation(count)
            self._known = epoch, order
        return self._known[1]


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
        return _scaled(self.image_set.images[rows]), self.image_set.labels[rows]


class ExtraInputArrays(keras.utils.PyDataset):
    """Batches of arrays with inputs beside the images, one number per sample; see `extra_inputs`.

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
        beside = {
            name: random.choice(np.asarray(each, "float32"), (len(images), 1)) for name, each in self.values.items()
        }
        return {"image": images, **beside}, labels


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype("float32") / 255
