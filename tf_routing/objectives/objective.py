"""The interface of objectives: loss terms by name, and the variables that an objective trains or adapts."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tf_routing.core.tensors import Array, Tensor


class Objective:
    """Turns labels and a model's outputs into named loss terms, whose sum is minimised (base class).

    An objective reads tensors, never layers. `names` lists its terms before any data is seen, so that `fit` can log
    every term as a metric.

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
        """Creates the variables of the objective, if it has any; `compile` calls this once.

        Args:
            outputs: The outputs that `__call__` will read, as symbolic tensors.
        """

    @property
    def variables(self) -> list[Any]:
        """Trainable weights of the objective: they train and resume with the model, but are not saved in it."""
        return []

    @property
    def reads_classes(self) -> bool:
        """Whether labels must be class indices or distributions over classes; `fit` then refuses all others."""
        return False

    @property
    def reads_whole_network(self) -> bool:
        """Whether it also reads `whole_probabilities`, and `whole_logits`: the answers with every gate open."""
        return False

    @property
    def reads_hard_answers(self) -> bool:
        """Whether it also reads, in training, what the model answers and decides at inference, as `hard_{name}`."""
        return False

    @property
    def measured_names(self) -> tuple[str, ...]:
        """The names of the scalars that `measures` returns, in the order in which logs show them."""
        return ()

    def measures(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns scalars by measured name that are logged but not minimised."""
        return {}

    @property
    def state(self) -> list[Any]:
        """Variables that `end_step` and `end_epoch` adapt, without gradients; they resume with the model."""
        return []

    @property
    def starting_point(self) -> dict[str, Any]:
        """The arguments that give `variables` and `state` their initial values or meaning, by name."""
        return {}

    def go_on_from(self, before: "Objective") -> list[str]:
        """Takes over the variables and state of another objective, if it is of the same kind; both must be built.

        Args:
            before: The other objective.

        Returns:
            The names of arguments in `starting_point` that differ, in which case nothing is taken over; an empty list
            if all was, or there was nothing.
        """
        theirs, ours = [*before.variables, *before.state], [*self.variables, *self.state]
        if type(before) is not type(self) or not theirs or not ours:
            return []
        changed = [name for name, value in self.starting_point.items() if value != before.starting_point[name]]
        if not changed:
            for variable, value in zip(ours, theirs, strict=True):
                variable.assign(ops.convert_to_numpy(value))
        return changed

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """Adapts the state of the objective; `fit` calls this after every epoch.

        Args:
            logs: The epoch's logs.
        """

    def end_step(self) -> None:
        """Adapts the state of the objective; `fit` calls this after every training step."""

    def gradient_factors(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns scalars by layer name that multiply the gradients of the layer before the optimizer sees them."""
        return {}

    @property
    def decayed_layers(self) -> tuple[str, ...]:
        """Layers whose sums of squared kernels the model adds to `outputs`, as `{layer}_squares`."""
        return ()

    @property
    def drawn_inputs(self) -> dict[str, tuple[float, ...]]:
        """Auxiliary inputs that training draws at random per sample: the values to draw from, by input name."""
        return {}

    def at_evaluation(self) -> "Objective":
        """Returns the objective for evaluation, which shares its variables with this one."""
        return self

    def grouped(self, copies: int) -> "Objective":
        """Returns this objective for training batches with `copies` neighbouring rows per image."""
        return self

    def smoothed(self, label_smoothing: float) -> "Objective":
        """Returns this objective with another `label_smoothing`, if it is built with one."""
        config = self.get_config()
        return self.from_config({**config, "label_smoothing": label_smoothing}) if "label_smoothing" in config else self

    def __call__(
        self, labels: Array, outputs: dict[str, Tensor], sample_weight: Array | None = None
    ) -> dict[str, Tensor]:
        """Returns the loss terms.

        Args:
            labels: Class indices `(batch,)` or `(batch, 1)`, or class distributions `(batch, classes)`.
            outputs: Dict of `probabilities`, `logits` and the decisions by name, all batch-first.
            sample_weight: Optional weights `(batch,)`.

        Returns:
            Dict of scalars by the names in `names`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, from which `from_config` builds the objective."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        """Builds an objective from what `get_config` of another one returned."""
        return cls(**config)
