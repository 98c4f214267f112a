"""No images have no answers, in every net and on every way in, or a sentence where that would be a mean of nothing."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import BATCH, CLASSES, FAMILIES, family_net, images, labels
from tests.exit_net import exit_model
from tests.exit_net import images as exit_images
from tests.models.test_routed_model import small_model
from tf_routing import calibrate
from tf_routing.models import Ensemble, RoutedModel

SHAPE = (6, 6, 3)


def light(count: int = BATCH) -> np.ndarray:
    return np.random.default_rng(8).uniform(size=(BATCH, *SHAPE)).astype("float32")[:count]


class Batches(keras.utils.PyDataset):
    """As many batches of two images, with labels."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return light()[2 * index : 2 * index + 2], labels(2)


def pairs() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((light(), labels())).batch(2)


EMPTY: dict[str, Callable[[], Any]] = {
    "dataset": lambda: pairs().take(0),
    "dataset_of_unknown_length": lambda: pairs().filter(lambda x, y: False),
    "py_dataset": lambda: Batches(0),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_no_images_give_no_rows(name: str) -> None:
    model = family_net(name)
    some, none = model.decide(images(name)), model.decide(images(name, 0))
    for x in (images(name, 0), images(name, 0).astype("uint8")):
        answers = [model(x), model.predict(x, verbose=0), model.predict_on_batch(x), none["probabilities"]]
        assert [tuple(each.shape) for each in answers] == [(0, CLASSES)] * 4
        assert {keras.backend.standardize_dtype(each.dtype) for each in answers} == {"float32"}
        routes = model.routes(x)
        assert {key: tuple(each.shape) for key, each in routes.items()} == {
            key: (0, *each.shape[1:]) for key, each in some.items() if key != "probabilities"
        }
        costs = model.cost(x)
        assert costs.shape == (0,) and costs.dtype == "int64"


@pytest.fixture(scope="module")
def net() -> RoutedModel:
    model = small_model()
    model.compile("sgd")
    return model


@pytest.mark.parametrize("kind", EMPTY)
def test_no_batches_give_no_rows(kind: str, net: RoutedModel) -> None:
    assert net.predict(EMPTY[kind](), verbose=0).shape == (0, CLASSES)
    assert {each.shape[0] for each in net.routes(EMPTY[kind]()).values()} == {0}
    assert net.cost(EMPTY[kind]()).shape == (0,)


@pytest.mark.parametrize("kind", EMPTY)
def test_a_mean_over_no_batch_is_refused(kind: str, net: RoutedModel) -> None:
    for ask in (net.fit, net.evaluate):
        with pytest.raises(ValueError, match="`x` must hold at least one .*image.*. Received: none"):
            ask(EMPTY[kind](), verbose=0)


@pytest.mark.parametrize("way", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_a_mean_over_no_image_is_refused(way: str, net: RoutedModel) -> None:
    with pytest.raises(ValueError, match="`x` must hold at least one image. Received: none"):
        getattr(net, way)(light(0), labels(0))
    with pytest.raises(ValueError, match="`inputs` must hold at least one image in training. Received: none"):
        net(light(0), training=True)


def test_none_to_validate_on_is_refused(net: RoutedModel) -> None:
    with pytest.raises(ValueError, match="`x` must hold at least one"):
        net.fit(light(), labels(), validation_data=(light(0), labels(0)), verbose=0)


@pytest.mark.parametrize("kind", [lambda: images("short_chain", 0), lambda: pairs().take(0), lambda: []])
def test_none_to_calibrate_on_is_refused(kind: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="`images` must hold at least one image. Received: none"):
        calibrate(family_net("short_chain"), kind(), 0.5)


def test_no_images_beside_no_costs_give_no_rows() -> None:
    model = exit_model(dynamic_cost=True)
    x = {"image": np.zeros((0, 8, 8, 3), "float32"), "cost": np.zeros((0, 1), "float32")}
    assert model.predict(x, verbose=0).shape == (0, 4) == model(x).shape
    assert model.cost({**x, "cost": 1e-9}).shape == (0,)


def test_a_batch_runs_after_none(net: RoutedModel) -> None:
    x = light()
    net.predict(EMPTY["dataset_of_unknown_length"](), verbose=0)
    np.testing.assert_allclose(net.predict(x, verbose=0), net(x), atol=1e-6)


# Batches are counted by the image, whatever they come in.


def test_cost_counts_images_of_batches(net: RoutedModel) -> None:
    x, expected = light(), np.full(BATCH, net.static_cost)
    bare = tf.data.Dataset.from_tensor_slices(x).batch(3)
    for given in (x, bare, pairs(), Batches(2), ((each, None) for each in (x[:3], x[3:]))):
        np.testing.assert_array_equal(net.cost(given), expected)


def test_cost_of_batches_is_that_of_their_images() -> None:
    model, x = exit_model(), exit_images(7)
    calibrate(model, x, 0.5)
    batches = tf.data.Dataset.from_tensor_slices((x, np.zeros(7))).batch(2)
    expected = model.cost(x)
    assert len(set(expected)) > 1
    np.testing.assert_array_equal(model.cost(batches), expected)
    np.testing.assert_array_equal(model.cost((each, None) for each in (x[:5], x[5:])), expected)
    # Keras takes a generator of tuples alone.
    np.testing.assert_array_equal(model.cost(each for each in (x[:5], x[5:])), expected)
    routes = model.routes(each for each in (x[:5], x[5:]))
    for name, decisions in model.routes(x).items():
        np.testing.assert_array_equal(routes[name], decisions)


def test_an_ensemble_takes_batches_that_can_be_read_once() -> None:
    ensemble, x = Ensemble.of([small_model(seed) for seed in range(2)]), light()
    routes = ensemble.routes((each, None) for each in (x[:3], x[3:]))
    assert list(routes) == [f"member_{member}/route_{number}" for member in (1, 2) for number in (1, 2)]
    for name, each in ensemble.routes(x).items():
        np.testing.assert_allclose(routes[name], each, atol=1e-6)
    np.testing.assert_array_equal(ensemble.cost(pairs()), np.full(BATCH, ensemble.static_cost))


@pytest.mark.parametrize("ask", ["predict", "routes", "cost", "evaluate"])
def test_a_dataset_without_end_is_refused(ask: str, net: RoutedModel) -> None:
    with pytest.raises(ValueError, match="`x` must end, and this dataset repeats for ever"):
        getattr(net, ask)(pairs().repeat())
    assert len(net.predict(pairs().repeat(), steps=3, verbose=0)) == 6
