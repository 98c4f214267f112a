"""The interface of objectives."""

from collections.abc import Mapping
from typing import Any

from keras import ops


class Objective:
    """Turns labels and a model's outputs into named loss terms, whose sum is minimised (base class).

    An objective reads tensors, never layers. `names` lists its terms before any data is seen, so that each can be a
    metric with its own name in the logs of `fit`.

    Example:

    >>> class Confidence(Objective):
    ...     names = ("confidence_loss",)
    ...
    ...     def __call__(self, labels, outputs, sample_weight=None):
    ...         return {"confidence_loss": -keras.ops.mean(outputs["probabilities"])}
    >>> float(Confidence()(None, {"probabilities": keras.ops.ones((2, 1))})["confidence_loss"])
    -1.0
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in the order in which logs show them."""
        raise NotImplementedError

    def build(self, outputs: dict[str, Any]) -> None:
        """Creates trainable parts of the objective's own; `compile` calls this once.

        Args:
            outputs: What `__call__` will read, as symbolic tensors.
        """

    @property
    def variables(self) -> list[Any]:
        """Weights of the objective's own: they train and resume with the model and are no part of it."""
        return []

    @property
    def reads_classes(self) -> bool:
        """Whether labels must be class indices or distributions over classes: `fit` then refuses all others."""
        return False

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The names of what `measures` returns, in the order in which logs show them."""
        return ()

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns what logs show beside the terms and the sum does not contain: a scalar for each measured name."""
        return {}

    @property
    def state(self) -> list[Any]:
        """Variables that `end_epoch` adapts and nothing trains; they resume with the model."""
        return []

    @property
    def starting_point(self) -> dict[str, Any]:
        """What `variables` and `state` start with or stand for, by argument."""
        return {}

    def go_on_from(self, before: "Objective") -> list[str]:
        """Takes over what another objective learnt and adapted, if it is of the same kind; both are built.

        Args:
            before: The other objective.

        Returns:
            The arguments of the `starting_point` that differ, because of which nothing is taken over; none where there
            is nothing to take over.
        """
        theirs, own = [*before.variables, *before.state], [*self.variables, *self.state]
        if type(before) is not type(self) or not theirs or not own:
            return []
        changed = [name for name, value in self.starting_point.items() if value != before.starting_point[name]]
        if not changed:
            for variable, value in zip(own, theirs, strict=True):
                variable.assign(ops.convert_to_numpy(value))
        return changed

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Adapts the objective's state; `fit` calls this after each epoch.

        Args:
            logs: The epoch's logs.
        """

    def end_step(self) -> None:
        """Adapts the objective's state after each training step."""

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns scalars by which gradients are multiplied before the optimizer sees them, by name of the layer."""
        return {}

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """Layers whose squared kernels the terms contain: `__call__` finds their sums as `{layer}_squares`."""
        return ()

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """Inputs beside the image that training draws for each sample, by name: the values to draw from."""
        return {}

    def at_evaluation(self) -> "Objective":
        """Returns the objective, its variables shared, that tests and validations log."""
        return self

    def grouped(self, copies: int) -> "Objective":
        """Returns this objective for training batches with so many neighbouring copies of each image."""
        return self

    def smoothed(self, label_smoothing: float) -> "Objective":
        """Returns this objective with labels smoothed, where that means something."""
        return self

    def __call__(self, labels: Any, outputs: dict[str, Any], sample_weight: Any = None) -> dict[str, Any]:
        """Returns the loss terms.

        Args:
            labels: Class indices `(batch,)` or `(batch, 1)`, or class distributions `(batch, classes)`.
            outputs: Dict of `probabilities`, `logits` and the decisions by name, all batch-first.
            sample_weight: Optional weights `(batch,)`.

        Returns:
            Dict from each of `names` to a scalar.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        """Builds the objective from `get_config`."""
        return cls(**config)
