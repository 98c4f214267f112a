"""The devices of a run: a `tf.distribute` strategy, or what JAX finds."""

import contextlib
import dataclasses
from typing import Any

import keras

from tf_routing.models import RoutedModel
from tf_routing.support.accelerators import accelerator
from tf_routing.support.validation import positive_integer
from tf_routing.train.distribution.replica_values import replica_count

# Steps of a call on an accelerator: a second of work or less there, and Python is not missed for as long.
_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Devices:
    """What to train on.

    Args:
        kind: As it was asked for, see `strategies.open_strategy`.
        strategy: A `tf.distribute.Strategy`; `None` on JAX, which trains on one device.
        writes: Boolean, whether this host writes files: one of several does.
        steps_per_execution: Integer, for images in memory on JAX: steps that the device takes in one call.
    """

    kind: str
    strategy: Any
    writes: bool
    steps_per_execution: int = 1

    def scope(self) -> Any:
        """Returns the context in which models are built and compiled."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def check(self, checkpoint_every: int, in_memory: bool) -> None:
        """Checks that there can be checkpoints within epochs where they are asked for."""
        if checkpoint_every and self.strategy is None and not in_memory:
            raise ValueError(
                "`checkpoint_every` must be 0 on JAX for images in files: a run goes on at the start of an epoch. "
                f"Received: checkpoint_every={checkpoint_every}"
            )

    def check_batch(self, batch_size: int, copies: int) -> None:
        """Checks that batches can be divided evenly over the replicas."""
        if replica_count(self.strategy) > 1:
            from tf_routing.train.distribution.replica_batches import check_divides

            check_divides(self.strategy, batch_size, copies)

    def synchronize(self, model: RoutedModel) -> None:
        """Makes replicas of a model normalise by the whole batch."""
        if self.strategy is not None:
            from tf_routing.train.distribution.strategies import synchronize_batch_norm

            synchronize_batch_norm(model)

    @property
    def replicas(self) -> int:
        """The number of copies that train, each on its part of every batch."""
        return replica_count(self.strategy)

    def describe(self) -> dict[str, Any]:
        """Returns what a record says of it."""
        return {"strategy": self.kind, "replicas": self.replicas}


def open_devices(
    kind: str = "auto", devices: int | None = None, tpu: str | None = None, steps_per_execution: int | None = None
) -> Devices:
    """Returns what to train on.

    Args:
        kind: `"auto"`, `"one"`, `"mirrored"`, `"multiworker"` or `"tpu"`; see `strategies.open_strategy`.
        devices: Integer, for `"mirrored"`.
        tpu: Name of a TPU, for `"tpu"`.
        steps_per_execution: Integer, on JAX: for images in memory, steps that the device takes in one call; 100 on an
            accelerator and 1 on a CPU where not given.

    Raises:
        ValueError: If an argument is not possible, on this backend or at all.

    Example:

    >>> open_devices("one").describe()
    {'strategy': 'one', 'replicas': 1}
    """
    if keras.backend.backend() == "tensorflow":
        from tf_routing.train.distribution.strategies import is_chief, open_strategy

        if steps_per_execution is not None:
            raise ValueError(
                "`steps_per_execution` must be left out on the tensorflow backend, which takes steps one by one. "
                f"Received: steps_per_execution={steps_per_execution!r}"
            )
        strategy = open_strategy(kind, devices, tpu)
        return Devices(kind, strategy, is_chief(strategy))
    if kind not in ("auto", "one") or devices or tpu:
        raise ValueError(
            f"`strategy` must be 'auto' or 'one', without `devices` and `tpu`, on the {keras.backend.backend()} "
            f"backend: others need TensorFlow. Received: strategy={kind!r}, devices={devices!r}, tpu={tpu!r}"
        )
    if steps_per_execution is None:
        steps_per_execution = 1 if accelerator() is None else _STEPS
    return Devices(kind, None, True, positive_integer("steps_per_execution", steps_per_execution))
