"""The training step of a routed model, on each backend.

A step needs more than the probabilities: an objective reads logits and decisions too. On TensorFlow the step is
written out; on JAX, where Keras keeps the step stateless, only what the forward pass returns differs.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


class TensorFlowStep:
    """`train_step` and `test_step` on TensorFlow."""

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True, return_outputs=self.has_objective)
            loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = [*self.trainable_variables, *self.objective_variables]
        self.optimizer.apply_gradients(zip(tape.gradient(scaled_loss, variables), variables, strict=True))
        return self._logged(x, y, outputs, sample_weight, loss)

    def test_step(self: Any, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=False, return_outputs=self.has_objective)
        loss = self.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=False)
        return self._logged(x, y, outputs, sample_weight, loss)

    def _logged(self: Any, x: Any, y: Any, outputs: Any, sample_weight: Any, loss: Any) -> dict[str, Any]:
        # `compute_loss` returns a replica's share of the loss; the log shows the whole.
        size = keras.ops.shape(keras.tree.flatten(x)[0])[0]
        self._loss_tracker.update_state(loss * replica_count(), sample_weight=size)
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)


class JaxStep:
    """What differs in Keras's own stateless step on JAX."""

    has_objective: bool
    objective_variables: list[Any]
    objective_state: list[Any]
    _steps_run = False

    @property
    def trainable_variables(self) -> list[Any]:
        """The model's own, and while steps run the objective's too: Keras's stateless step updates what is here."""
        own = super().trainable_variables  # type: ignore[misc]
        return [*own, *self.objective_variables] if self._steps_run else own

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The model's own, and while steps run what the objective adapts: a step must not keep its first value."""
        own = super().non_trainable_variables  # type: ignore[misc]
        return [*own, *self.objective_state] if self._steps_run else own

    @contextlib.contextmanager
    def _running_steps(self) -> Iterator[None]:
        before, self._steps_run = self._steps_run, True
        try:
            yield
        finally:
            self._steps_run = before

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model.fit`."""
        with self._running_steps():
            return super().fit(*args, **kwargs)  # type: ignore[misc]

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Measures the model; see `keras.Model.evaluate`."""
        with self._running_steps():
            return super().evaluate(*args, **kwargs)  # type: ignore[misc]

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Takes one step; see `keras.Model.train_on_batch`."""
        with self._running_steps():
            return super().train_on_batch(*args, **kwargs)  # type: ignore[misc]

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Measures one batch; see `keras.Model.test_on_batch`."""
        with self._running_steps():
            return super().test_on_batch(*args, **kwargs)  # type: ignore[misc]

    def stateless_call(self, *args: Any, return_losses: bool = False, **kwargs: Any) -> Any:
        """Keras's own, returning what the objective reads where it is called by a training or test step."""
        # Keras asks for losses there and nowhere else.
        if return_losses and self.has_objective:
            kwargs["return_outputs"] = True
        # The next class in line is `keras.Model`, which a mixin cannot name.
        return super().stateless_call(*args, return_losses=return_losses, **kwargs)  # type: ignore[misc]


def replica_count() -> int:
    """Returns how many replicas share a step: 1 outside a `tf.distribute` strategy."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


Step: type = TensorFlowStep if keras.backend.backend() == "tensorflow" else JaxStep
