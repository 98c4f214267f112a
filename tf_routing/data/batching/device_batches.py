"""Batches that compiled steps make themselves, of a whole image set in the device's memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from tf_routing.data.augmentation.array_augmentation import fill_colours
from tf_routing.data.augmentation.device_augmentation import take_moved
from tf_routing.data.batching.batch_plan import BatchPlan
from tf_routing.data.batching.training_draws import TrainingDraws, draw_inputs
from tf_routing.data.images.image_set import ImageSet

# What each byte is as a float: the quotients of NumPy, whose last bits a compiled division need not have.
_SCALED = np.arange(256).astype("float32") / 255


class DeviceBatches:
    """Training batches that hold what `TrainingArrays` holds, bit for bit, without an image leaving the device.

    Args:
        image_set: Images and labels.
        plan: What the batches hold.
        inputs: What to draw further inputs from, by their names; see `draw_inputs`.

    Raises:
        ValueError: If the images do not fill one batch.
    """

    def __init__(
        self, image_set: ImageSet, plan: BatchPlan, inputs: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        self.plan, self.inputs, self._draws = plan, dict(inputs or {}), TrainingDraws(image_set, plan)
        # Given to the steps rather than read by them: compiled code would hold copies of what it reads.
        self.held = {**_hold(image_set), "colours": _on_device(fill_colours(image_set.images, plan.fill))}

    def draw(self, first: int, count: int, size: int) -> dict[str, Any]:
        """Draws what some steps hold.

        Args:
            first: Integer, number of the first step, counted over all epochs.
            count: Integer, how many steps.
            size: Integer of at least `count`, rows of what is returned, those at the end without a meaning: what is
                compiled for so many steps takes fewer too.

        Returns:
            Dict of arrays `(size, ...)`.
        """
        drawn = [self._flat(step) for step in range(first, first + count)]
        rows = drawn + drawn[:1] * (size - count)
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def _flat(self, step: int) -> dict[str, Any]:
        indices, moves = self._draws.draw(step)
        inputs = draw_inputs(self.inputs, len(indices), self.plan.seed, step)
        offsets = moves.offsets.astype("int32")
        return {"indices": indices.astype("int32"), "offsets": offsets, "mirrored": moves.mirrored, **inputs}

    def make(self, held: Mapping[str, Any], drawn: Mapping[str, Any]) -> tuple[Any, Any]:
        """Makes the batch of a step, within a compiled function.

        Args:
            held: `held`, as that function was given it.
            drawn: One row of what `draw` returns.

        Returns:
            Pair of float images in [0, 1], or a dict with them and further inputs, and class indices.
        """
        indices = drawn["indices"]
        bytes_ = take_moved(
            held["images"], held["colours"], indices, drawn["offsets"], drawn["mirrored"], self.plan.shift
        )
        return _with_inputs(held, bytes_, {name: drawn[name] for name in self.inputs}), held["labels"][indices]


class DeviceTestSet:
    """All images in order, as batches of one size and what is left, without an image leaving the device.

    Args:
        image_set: Images and labels.
        batch_size: Integer, most rows of a batch.
        inputs: As for `DeviceBatches`.
        seed: Integer of at least zero; with a batch's number it decides what is drawn.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_size: int,
        inputs: Mapping[str, Sequence[float]] | None = None,
        seed: int = 0,
    ) -> None:
        self.full, self.rest = divmod(image_set.image_count, batch_size)
        self.batch_size, self.inputs = batch_size, dict(inputs or {})
        sizes = [batch_size] * self.full + [self.rest] * bool(self.rest)
        drawn = [draw_inputs(self.inputs, size, seed, number) for number, size in enumerate(sizes)]
        columns = {f"input_{name}": np.concatenate([row[name] for row in drawn]) for name in self.inputs}
        self.held = {**_hold(image_set), **{name: _on_device(values) for name, values in columns.items()}}

    def make(self, held: Mapping[str, Any], first: Any, size: int) -> tuple[Any, Any]:
        """Makes a batch, within a compiled function.

        Args:
            held: `held`, as that function was given it.
            first: Integer, its first image.
            size: Integer, how many there are; fixed.

        Returns:
            As `DeviceBatches.make`.
        """
        rows = first + ops.arange(size)
        inputs = {name: held[f"input_{name}"][rows] for name in self.inputs}
        return _with_inputs(held, held["images"][rows], inputs), held["labels"][rows]


def _hold(image_set: ImageSet) -> dict[str, Any]:
    values = {"images": image_set.images, "labels": image_set.labels.astype("int32"), "scaled": _SCALED}
    return {name: _on_device(each) for name, each in values.items()}


def _on_device(values: np.ndarray) -> Any:
    return ops.convert_to_tensor(values)


def _with_inputs(held: Mapping[str, Any], images: Any, inputs: Mapping[str, Any]) -> Any:
    scaled = held["scaled"][images]
    return {"image": scaled, **inputs} if inputs else scaled
