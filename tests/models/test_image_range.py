"""A model says once, and only then, that images lie far outside [0, 1]."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_routing.layers import CrossConnection
from tf_routing.models import Ensemble, RoutedModel

COUNT = 6
LABELS = np.arange(COUNT) % 5
WAYS: dict[str, Callable[[RoutedModel, Any], Any]] = {
    "call": lambda model, x: model(x),
    "predict": lambda model, x: model.predict(x, verbose=0),
    "predict_tensor": lambda model, x: model.predict(tf.constant(x), verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "predict_dataset": lambda model, x: model.predict(tf.data.Dataset.from_tensor_slices(x).batch(2), verbose=0),
    "evaluate_dataset": lambda model, x: model.evaluate(batches(x), verbose=0),
    "fit_dataset": lambda model, x: model.fit(batches(x), epochs=2, verbose=0),
    "fit_generator": lambda model, x: model.fit(((x, LABELS) for _ in range(2)), verbose=0),
    "routes": lambda model, x: model.routes(x),
    "cost": lambda model, x: model.cost(x),
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "fit": lambda model, x: model.fit(x, LABELS, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, LABELS),
    "eager_inside_another": lambda model, x: keras.Sequential([model])(x),
}


def batches(x: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((x, LABELS)).batch(2)


def light() -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(COUNT, 6, 6, 3)).astype("float32")


def small_model(seed: int = 0) -> RoutedModel:
    """One decision about a vector, since tracing is all that these tests spend time on."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 3), name="image")
    means = keras.layers.GlobalAveragePooling2D()(image)
    paths, _ = CrossConnection(2, hidden=2, name="route_1")(means, return_gates=True)
    return RoutedModel(image, keras.layers.Dense(5, "softmax")(keras.layers.Average()(paths)))


def net() -> RoutedModel:
    model = small_model()
    model.compile("sgd")
    return model


@pytest.mark.parametrize("way", WAYS)
def test_bytes_as_floats_are_told_once(way: str) -> None:
    model = net()
    message = r"`(x|inputs)` holds values from .* to 25\d.*takes floats in \[0, 1\]"
    with pytest.warns(UserWarning, match=message) as told:
        WAYS[way](model, 255 * light())
    assert [each.filename for each in told if "holds values" in str(each.message)] == [__file__]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*holds values")
        WAYS[way](model, 255 * light())
        model.predict_on_batch(255 * light())


@pytest.mark.parametrize("way", ["call", "predict", "fit_dataset"])
def test_light_bytes_and_their_augmentation_are_not(way: str) -> None:
    model = net()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*holds values")
        for x in (light(), 2 * light() - 1, (255 * light()).astype("uint8"), np.full_like(light(), np.nan)):
            WAYS[way](model, x)


def test_a_dataset_that_is_looked_at_is_read_as_any_other() -> None:
    # What shuffles anew in each epoch, and what can be read once: nothing may be read for looking.
    losses = []
    for told in (False, True):
        keras.utils.set_random_seed(4)
        shuffled = tf.data.Dataset.range(COUNT).shuffle(COUNT, seed=3)
        model, seen = net(), []
        model.input_watch.has_warned = told
        pairs = shuffled.map(lambda number: (tf.gather(light(), number), tf.gather(LABELS, number))).batch(2)
        losses.append(model.fit(pairs, epochs=2, verbose=0).history["loss"])

        def once(seen: list[int] = seen) -> Any:
            """Pairs that are noted when they are read."""
            for number in range(3):
                seen.append(number)
                yield light(), LABELS

        model.fit(once(), verbose=0)
        assert seen == [0, 1, 2]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_standardised_images_are_told() -> None:
    with pytest.warns(UserWarning, match="`x` holds values from -2.* to 2"):
        net().predict((light() - 0.45) / 0.2, verbose=0)


def test_an_ensemble_tells_once_for_all_members() -> None:
    ensemble = Ensemble.of([small_model(seed) for seed in range(2)])
    with pytest.warns(UserWarning) as told:
        ensemble(255 * light())
        ensemble.routes(255 * light())
    assert ["'ensemble'" in str(each.message) for each in told if "holds values" in str(each.message)] == [True]
