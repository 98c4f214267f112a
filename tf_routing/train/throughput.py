"""How fast a run trains: images a second, and which share that is of what its accelerator computes at most."""

import time
from collections.abc import Mapping
from typing import Any

import keras

from tf_routing import cost
from tf_routing.support.accelerators import accelerator, multiplies_in, peak_flops

# A MAC is two floating-point operations; a step takes those of the forward pass, and twice as many backwards.
_FLOPS_PER_MAC = 3 * 2


class Throughput(keras.callbacks.Callback):
    """Times training steps, without the first call, in which they are compiled, and without validation.

    Args:
        batch_size: Integer, images of a step.
    """

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size, self.steps, self.seconds = batch_size, 0, 0.0
        self._since: tuple[int, float] | None = None
        self._has_compiled = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Forgets when the last epoch took its last step: what came between was none."""
        self._since = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock of an epoch."""
        if self._has_compiled and self._since is None:
            self._since = batch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the steps since, once they are done: reading a number of theirs waits for that."""
        for value in (logs or {}).values():
            float(value)
            break
        if self._since is not None:
            first, started = self._since
            now = time.perf_counter()
            self.steps, self.seconds = self.steps + batch + 1 - first, self.seconds + now - started
            self._since = batch + 1, now
        self._has_compiled = True

    def measured(self, model: keras.Model, devices: int = 1) -> dict[str, Any]:
        """Returns what a record says of it, nothing where a run took one call.

        Args:
            model: What was trained.
            devices: Integer, how many shared the work.

        Returns:
            Dict of `images_per_second`, and on an accelerator `accelerator`, its name, and where its maker's figure is
            known `share_of_peak`, in the precision that the model computes in.
        """
        if not self.steps:
            return {}
        rate, name = self.steps * self.batch_size / self.seconds, accelerator()
        found: dict[str, Any] = {"images_per_second": round(rate, 1)}
        if name is None:
            return found
        peak = peak_flops(name, multiplies_in(model.compute_dtype))
        share = {} if peak is None else {"share_of_peak": round(share_of_peak(model, rate, peak * devices), 4)}
        return {**found, "accelerator": name, **share}


def share_of_peak(model: keras.Model, images_per_second: float, peak: float) -> float:
    """Returns the share of a peak that training uses, where every MAC of the graph runs forwards and twice backwards.

    Args:
        model: A functional Keras model with fixed spatial input sizes.
        images_per_second: Number of images trained on.
        peak: Floating-point operations a second.

    Returns:
        Float. Additions, normalisation and the optimizer do not count as work.

    Example:

    >>> inputs = keras.Input((10,))
    >>> share_of_peak(keras.Model(inputs, keras.layers.Dense(5)(inputs)), images_per_second=2, peak=6000)
    0.1
    """
    macs = sum(row.macs for row in cost.layer_costs(model))
    return _FLOPS_PER_MAC * macs * images_per_second / peak


def describe_speed(record: Mapping[str, Any]) -> str:
    """Returns a line on how fast a run trained, empty where its record does not say.

    Example:

    >>> describe_speed({"images_per_second": 51234.5, "accelerator": "NVIDIA H200", "share_of_peak": 0.1234})
    '51234 images/s, 12.3% of the peak of NVIDIA H200'
    """
    if "images_per_second" not in record:
        return ""
    share = record.get("share_of_peak")
    of_peak = "" if share is None else f", {share:.1%} of the peak of {record['accelerator']}"
    return f"{record['images_per_second']:.0f} images/s{of_peak}"
