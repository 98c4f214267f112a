"""Training on an objective: `compile` and `fit`, and the hooks by which Keras computes, logs and saves the loss."""

from typing import Any

import keras

from tf_routing.core.tensors import Array, Images
from tf_routing.models.training.end_of_epoch import with_end_of_epoch
from tf_routing.models.training.label_accuracy import with_label_accuracy
from tf_routing.models.training.label_checks import ignored_label
from tf_routing.models.training.trained_objective import TrainedObjective
from tf_routing.objectives.objective import Objective


class ObjectiveTraining:
    """Methods of `keras.Model` that train on an objective where no Keras loss is given (mixin)."""

    trained_objective: TrainedObjective

    @property
    def objective_variables(self: Any) -> list[Any]:
        """Weights of the objective, which train with the model and are no part of it."""
        return self.trained_objective.variables

    @property
    def objective_state(self: Any) -> list[Any]:
        """What the objective adapts after each epoch; nothing trains it."""
        return self.trained_objective.state

    @property
    def has_objective(self: Any) -> bool:
        """Whether the model was compiled with an objective (rather than a Keras loss)."""
        return self.trained_objective.objective is not None

    def compile(
        self: Any,
        optimizer: Any = "sgd",
        loss: Any = None,
        metrics: Any = None,
        objective: Objective | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the model for training.

        Compiled again with the same kind of objective, the model keeps what that learnt and adapted (category heads,
        cost weights, steps of the temperature), or warns that it begins anew because of other arguments.

        Args:
            optimizer: As for `keras.Model.compile`. Where it accumulates gradients, the objective adapts once per
                update; its terms and gradient factors are those of each small batch.
            loss: A Keras loss on the probabilities, instead of an objective.
            metrics: As for `keras.Model.compile`; metrics see the probabilities. `"accuracy"` is `LabelAccuracy`: ties
                and predictions that are NaN do not count in favour, which they do in other metrics of Keras.
            objective: An `Objective`. Where neither it nor `loss` is given, the default of the model's family.
            **kwargs: As for `keras.Model.compile`.

        Raises:
            ValueError: If both `loss` and `objective` are given, or `loss_weights` without a loss of Keras.
        """
        if loss is not None and objective is not None:
            raise ValueError(f"Give `loss` or `objective`, not both. Received: loss={loss!r}, objective={objective!r}")
        if objective is not None and not isinstance(objective, Objective):
            raise ValueError(f"`objective` must be an Objective. Received: objective={objective!r}")
        if loss is None and kwargs.get("loss_weights") is not None:
            raise ValueError(
                "`loss_weights` must be left out where an objective is trained: its terms have weights of their own, "
                f"arguments of the objective. Received: loss_weights={kwargs['loss_weights']!r}"
            )
        chosen = None if loss is not None else objective or self.default_objective()
        before = self.trained_objective.replace(chosen)
        self.labels_are_classes = self._loss_reads_classes(loss) if chosen is None else chosen.reads_classes
        self.ignored_label = ignored_label(loss)
        kwargs["weighted_metrics"] = with_label_accuracy(kwargs.get("weighted_metrics"))
        metrics = with_label_accuracy(metrics)
        # Before Keras makes up its mind, for which it asks the blocks.
        wish = kwargs.get("jit_compile", "auto")
        self.wish_jit(wish)
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)  # type: ignore[misc]
        # It has set what it made of "auto".
        self._jit_wish = wish
        self.trained_objective.build(before)
        if self.objective_variables:
            self.optimizer.build([*self.trainable_variables, *self.objective_variables])

    @property
    def metrics(self: Any) -> list[Any]:
        """The metrics of Keras, and one mean per loss term."""
        return super().metrics + self.trained_objective.metrics  # type: ignore[misc]

    def fit(
        self: Any,
        x: Images | None = None,
        y: Array | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Trains the model as `keras.Model.fit` does; the objective adapts after each epoch."""
        callbacks = with_end_of_epoch(callbacks, self)
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)  # type: ignore[misc]

    def compute_loss(
        self: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns one replica's share of the loss, and adds each term to its mean."""
        self._check_labelled(y)
        if self.has_objective:
            if self.trained_objective.objective.reads_whole_network:
                y_pred = {**y_pred, **self.answer_whole(x)}
            if training and self.trained_objective.objective.reads_hard_answers:
                y_pred = {**y_pred, **self.answer_hard(x)}
            return self.trained_objective.compute_loss(y, y_pred, sample_weight, training)
        return super().compute_loss(x, y, y_pred, sample_weight, training)  # type: ignore[misc]

    def compute_metrics(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Returns the logs of a step; metrics see the probabilities."""
        # A plain tensor arrives when Keras builds metrics from the symbolic output.
        probabilities = y_pred["probabilities"] if isinstance(y_pred, dict) else y_pred
        return super().compute_metrics(x, y, probabilities, sample_weight)  # type: ignore[misc]

    def get_compile_config(self: Any) -> dict[str, Any] | None:
        """Returns what `compile` was given, the objective included, so that a loaded model is ready to train on."""
        config = super().get_compile_config()  # type: ignore[misc]
        if config and self.has_objective:
            config["objective"] = keras.saving.serialize_keras_object(self.trained_objective.objective)
        # Not what became of it here: another process may have another device.
        return config and {**config, "jit_compile": self._jit_wish}

    def compile_from_config(self: Any, config: dict[str, Any]) -> None:
        """Compiles the model as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
