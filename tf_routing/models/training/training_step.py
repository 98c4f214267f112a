"""The training and test step of a routed model, on TensorFlow and on JAX.

A step needs more than the probabilities: an objective reads logits and decisions too, and may scale gradients layer
by layer. On TensorFlow both steps are written out; on JAX, where Keras keeps steps stateless, the training step is.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from tf_routing.core.private_apis import loss_mean, update_metrics_statelessly
from tf_routing.core.replicas import replicas_in_sync
from tf_routing.models.training.update_steps import count_updates, keep_unless, may_skip_updates
from tf_routing.support.notices import warn


class Fit:
    """`fit` with an optimizer that knows the weights of the objective and of the model (mixin)."""

    objective_variables: list[Any]
    _fits = False

    @property
    def trainable_weights(self) -> list[Any]:
        """The model's, and while `fit` runs the objective's too: optimizers that average weights set all."""
        weights = super().trainable_weights  # type: ignore[misc]
        return [*weights, *self.objective_variables] if self._fits else weights

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        self._fits = True
        try:
            return super().fit(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._fits = False


class TensorFlowStep(Fit):
    """`train_step` and `test_step` on TensorFlow."""

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True, return_outputs=self.has_objective)
            loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = [*self.trainable_variables, *self.objective_variables]
        if not variables:
            _warn_that_nothing_trains(self)
            return self._log(x, y, outputs, sample_weight, loss)
        gradients = _multiply(
            tape.gradient(scaled_loss, variables), variables, self.trained_objective.gradient_factors(outputs)
        )
        before = count_updates(self.optimizer) if may_skip_updates(self.optimizer) else None
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if before is None:
            self.trained_objective.end_step()
        else:
            keep_unless(count_updates(self.optimizer) > before, self.objective_state, self.trained_objective.end_step)
        return self._log(x, y, outputs, sample_weight, loss)

    def test_step(self: Any, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=False, return_outputs=self.has_objective)
        loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=False)
        return self._log(x, y, outputs, sample_weight, loss)

    def _log(self: Any, x: Any, y: Any, outputs: Any, sample_weight: Any, loss: Any) -> dict[str, Any]:
        # `compute_loss` returns a replica's share of the loss; the log shows the whole.
        size = keras.ops.shape(keras.tree.flatten(x)[0])[0]
        loss_mean(self).update_state(loss * replicas_in_sync(), sample_weight=size)
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)


def _warn_that_nothing_trains(model: Any) -> None:
    """Says that a step changes no weights, as the steps of Keras do: optimizers take no empty lists."""
    warn(
        f"{model.name!r} has no weights that train: a step measures the loss and changes nothing. Set trainable = True "
        f"on the model, or on layers of it, and compile again."
    )


def _multiply(gradients: list[Any], variables: list[Any], factors: dict[int, Any]) -> list[Any]:
    """Returns gradients, those of variables that have a factor multiplied by it."""
    return [
        gradient
        if gradient is None or id(variable) not in factors
        # Under mixed precision gradients and factors are both float32, and in a float64 model the factor follows.
        else gradient * keras.ops.cast(factors[id(variable)], gradient.dtype)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


class JaxStep(Fit):
    """`train_step` on JAX, and what differs in the rest of Keras's stateless steps."""

    has_objective: bool
    objective_state: list[Any]
    _steps_run = False

    @property
    def trainable_variables(self) -> list[Any]:
        """The model's, and while steps run the objective's too: the stateless step of Keras updates those here."""
        variables = super().trainable_variables  # type: ignore[misc]
        return [*variables, *self.objective_variables] if self._steps_run else variables

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The model's, and while steps run the objective's state: a step must not keep its first value."""
        variables = super().non_trainable_variables  # type: ignore[misc]
        return [*variables, *self.objective_state] if self._steps_run else variables

    def train_step(self: Any, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        """Takes one step, without side effects; as that of Keras, and scales gradients as the objective says."""
        import jax

        trainable, non_trainable, optimizer_variables, metrics_variables = state
        if not trainable:
            _warn_that_nothing_trains(self)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        gradients_of = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (_, results), gradients = gradients_of(
            trainable,
            non_trainable,
            metrics_variables,
            x,
            y,
            sample_weight,
            training=True,
            optimizer_variables=optimizer_variables,
        )
        loss, outputs, non_trainable, metrics_variables = results
        if trainable:
            gradients = self._scale(list(gradients), list(non_trainable), outputs)
            before = optimizer_variables
            trainable, optimizer_variables = self.optimizer.stateless_apply(before, gradients, trainable)
            updated = self._count_updates(optimizer_variables) > self._count_updates(before)
            non_trainable = self._adapt(list(non_trainable), updated)
        logs, metrics_variables = update_metrics_statelessly(
            self, metrics_variables, loss, x, y, outputs, sample_weight
        )
        return logs, (trainable, non_trainable, optimizer_variables, metrics_variables)

    def _scale(self: Any, gradients: list[Any], non_trainable: list[Any], outputs: Any) -> list[Any]:
        """Returns the gradients as the objective scales them."""
        with keras.StatelessScope(state_mapping=list(zip(self.non_trainable_variables, non_trainable, strict=True))):
            return _multiply(gradients, self.trainable_variables, self.trained_objective.gradient_factors(outputs))

    def _adapt(self: Any, non_trainable: list[Any], updated: Any) -> list[Any]:
        """Returns the objective's state after the step, which only an update of the weights changes."""
        variables = self.non_trainable_variables
        with keras.StatelessScope(state_mapping=list(zip(variables, non_trainable, strict=True))) as scope:
            keep_unless(updated, self.objective_state, self.trained_objective.end_step)
        return [scope.get_current_value(variable) for variable in variables]

    def _count_updates(self: Any, optimizer_variables: list[Any]) -> Any:
        """How often the weights were changed, as the optimizer's variables say."""
        pairs = list(zip(self.optimizer.variables, optimizer_variables, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            return count_updates(self.optimizer)

    @contextlib.contextmanager
    def running_steps(self) -> Iterator[None]:
        """A context in which the variables of the model are those that its steps change."""
        before, self._steps_run = self._steps_run, True
        try:
            yield
        finally:
            self._steps_run = before

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        with self.running_steps():
            return super().fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Measures the model; see `keras.Model.evaluate`."""
        with self.running_steps():
            return super().evaluate(*args, **kwargs)  # type: ignore[misc]

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Takes one step; see `keras.Model.train_on_batch`."""
        with self.running_steps():
            return super().train_on_batch(*args, **kwargs)  # type: ignore[misc]

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Measures one batch; see `keras.Model.test_on_batch`."""
        with self.running_steps():
            return super().test_on_batch(*args, **kwargs)  # type: ignore[misc]

    def stateless_call(self, *args: Any, return_losses: bool = False, **kwargs: Any) -> Any:
        """Calls the model as Keras does; training and test steps get all outputs that the objective reads."""
        # Keras asks for losses there and nowhere else.
        if return_losses and self.has_objective:
            kwargs["return_outputs"] = True
        # The next class in line is `keras.Model`, which a mixin cannot name.
        return super().stateless_call(*args, return_losses=return_losses, **kwargs)  # type: ignore[misc]


Step: type = TensorFlowStep if keras.backend.backend() == "tensorflow" else JaxStep
