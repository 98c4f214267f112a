"""The own training loop does what `fit` of Keras does, and goes on within an epoch."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gated_net, skip_net
from tests.eager import eager
from tf_routing import layers
from tf_routing.models import RoutedModel
from tf_routing.train.distribution.replica_values import assign_by_replica, values_by_replica
from tf_routing.train.epochs import EpochRange
from tf_routing.train.loop import build_metrics, train
from tf_routing.train.stop_signals import StoppedAfterStep

_STEPS, _EPOCHS, _BATCH = 3, 2, 8


def routed() -> RoutedModel:
    """Two paths, with dropout, which draws."""
    image = keras.Input((6, 6, 3))
    paths = layers.CrossConnection(2, name="route_1")(image, return_gates=True)[0]
    features = [keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(path)) for path in paths]
    dropped = keras.layers.Dropout(0.3, seed=5)(keras.layers.Average()(features))
    return RoutedModel(image, keras.layers.Dense(4, "softmax")(dropped))


def compiled(build: Any) -> RoutedModel:
    keras.utils.set_random_seed(2)
    model = build()
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"])
    return model


def batches(steps: int = _STEPS * _EPOCHS, size: int = _BATCH) -> Any:
    rng = np.random.default_rng(1)
    images, labels = rng.uniform(size=(steps * size, 6, 6, 3)).astype("float32"), rng.integers(0, 4, steps * size)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(size, drop_remainder=True)


def values(model: RoutedModel) -> list[np.ndarray]:
    state = [*model.variables, *model.optimizer.variables, *model.objective_variables, *model.objective_state]
    return [np.asarray(variable) for variable in state]


def assert_same(model: RoutedModel, other: RoutedModel) -> None:
    for value, expected in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(value, expected)


def own(model: RoutedModel, **changes: Any) -> dict[str, list[float]]:
    tested = batches(1, 5)
    span = EpochRange(_EPOCHS, _STEPS, changes.pop("first_epoch", 0), changes.pop("first_step", 0))
    validate = lambda: model.evaluate(tested, verbose=0, return_dict=True)  # noqa: E731
    return train(model, changes.pop("batches", batches()), span, validate=validate, **changes).history


BUILDS = {
    "routed": routed,
    "gated": gated_net.gated_model,
    "skipping": lambda: skip_net.skip_model(target=0.5, classes=4),
}


@pytest.mark.parametrize("name", ["gated", "skipping"])
def test_it_takes_the_steps_of_fit_bit_for_bit(name: str) -> None:
    with eager():
        assert_equals_fit(BUILDS[name])


# What differs between the networks are their steps, whose graphs take long to trace.
@pytest.mark.parametrize(
    "name", ["routed", *(pytest.param(each, marks=pytest.mark.heavy) for each in ("gated", "skipping"))]
)
def test_it_equals_fit_bit_for_bit_in_graphs(name: str) -> None:
    assert_equals_fit(BUILDS[name])


def assert_equals_fit(build: Any) -> None:
    """Trains both ways."""
    fitted, looped = compiled(build), compiled(build)
    options = {"epochs": _EPOCHS, "steps_per_epoch": _STEPS, "shuffle": False, "verbose": 0}
    expected = fitted.fit(batches(), validation_data=batches(1, 5), **options).history
    assert own(looped) == expected
    assert {"val_accuracy", "loss"} <= set(expected)
    assert_same(looped, fitted)


def test_weights_that_an_optimizer_averages_end_as_with_fit() -> None:
    """At the end the averages are put in the place of all that was trained, category heads of the objective too."""
    models = []
    for is_own in (True, False):
        keras.utils.set_random_seed(2)
        model = gated_net.gated_model()
        model.compile(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.5), metrics=["accuracy"])
        with eager():
            if is_own:
                own(model)
            else:
                model.fit(batches(), epochs=_EPOCHS, steps_per_epoch=_STEPS, shuffle=False, verbose=0)
        models.append(model)
    assert models[0].objective_variables
    # In graphs the last bit of a sum depends on the graph it is in.
    for value, expected in zip(values(models[0]), values(models[1]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)


class Calls(keras.callbacks.Callback):
    """Notes what it is called with."""

    def __init__(self, stop_at: int = -1) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.stop_at = stop_at

    def on_train_begin(self, logs: Any = None) -> None:
        self.calls.append("begin")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(f"step {batch}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(sorted(logs))
        self.model.stop_training = batch == self.stop_at

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(f"end of {epoch}")

    def on_train_end(self, logs: Any = None) -> None:
        self.calls.append("end")


@pytest.mark.parametrize("stop_at", [-1, 1])
def test_callbacks_hear_what_fit_tells_them(stop_at: int) -> None:
    heard = []
    for is_own in (True, False):
        calls, model = Calls(stop_at), compiled(routed)
        with eager():
            if is_own:
                own(model, callbacks=[calls])
            else:
                model.fit(batches(), steps_per_epoch=_STEPS, epochs=2, shuffle=False, verbose=0, callbacks=[calls])
        heard.append(calls.calls)
    assert heard[0] == heard[1]
    assert ("step 2" in heard[0]) == (stop_at < 0)


def test_it_goes_on_within_an_epoch_with_the_means_so_far() -> None:
    whole = compiled(routed)
    expected = own(whole)
    stopped, done = compiled(routed), 0

    def wish() -> bool:
        nonlocal done
        done += 1
        return done == 5

    with pytest.raises(StoppedAfterStep) as stop:
        own(stopped, stop_wished=wish)
    assert (stop.value.epoch, stop.value.step) == (1, 5)
    state, means = values(stopped), values_by_replica(stopped.metrics_variables)
    continued = compiled(routed)
    build_metrics(continued, tf.distribute.get_strategy(), batches().element_spec)
    variables = [*continued.variables, *continued.optimizer.variables]
    for variable, value in zip(variables, state, strict=True):
        variable.assign(value)
    assign_by_replica(continued.metrics_variables, means)
    history = own(continued, first_epoch=1, first_step=2, batches=batches().skip(5))
    assert history == {name: values[1:] for name, values in expected.items()}
    assert_same(continued, whole)


def test_too_few_batches_are_an_error() -> None:
    with pytest.raises(ValueError, match="`batches` must have those of all steps. Received: an end after step 4"):
        own(compiled(routed), batches=batches(4))


def test_sums_of_other_numbers_of_replicas_are_taken_as_a_whole() -> None:
    total = keras.Variable([0.0, 0.0])
    assign_by_replica([total], [np.array([[1.0, 2.0], [3.0, 4.0]], "float32")])
    np.testing.assert_array_equal(np.asarray(total), [4, 6])
