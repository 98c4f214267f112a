"""An image that holds NaN gets NaN for an answer, in every net, and leaves the others of its batch as they are."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.subjects import FAMILIES, GATED, SHORT, family_net, images, labels, small
from tests.models.test_routed_model import small_model
from tf_routing import calibrate
from tf_routing.analysis import hard_routes

BROKEN = 1
OTHERS = [0, 2, 3]


def with_broken(name: str, value: float = np.nan) -> np.ndarray:
    x = images(name).copy()
    x[BROKEN, 5, 3, 1] = value
    return x


def assert_broken_alone(found: Any, expected: Any) -> None:
    for own, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        own, other = np.asarray(own), np.asarray(other)
        assert np.isnan(own[BROKEN]).all()
        assert np.isfinite(other).all()
        np.testing.assert_allclose(own[OTHERS], other[OTHERS], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_its_answer_and_decisions_are_nan_and_no_others(name: str) -> None:
    model = family_net(name)
    for execution in ("masked", "sparse") if name in GATED or SHORT.get(name, ("",))[0] in GATED else ("auto",):
        model.execution = execution
        assert_broken_alone(model.decide(with_broken(name)), model.decide(images(name)))
        assert_broken_alone(model(with_broken(name, np.inf)), model(images(name)))
    model.execution = "auto"


# In graphs, fused convolutions drop NaN before their ReLU, so that what is right by calling need not be right here.
@pytest.mark.parametrize("name", FAMILIES)
def test_predicted_it_is_nan_too(name: str) -> None:
    model = family_net(name)
    model.execution = "masked"
    assert_broken_alone(model.predict(with_broken(name), verbose=0), model.predict(images(name), verbose=0))
    model.execution = "auto"


def test_sparsely_predicted_it_is_nan_too() -> None:
    model = family_net("short_chain")
    assert_broken_alone(model.predict(with_broken("short_chain"), verbose=0), model(images("short_chain")))


def test_it_has_no_route_and_costs_what_every_image_does() -> None:
    model, x = small("short_skip_resnet"), images("short_skip_resnet")
    calibrate(model, x, 0.5)
    routes, costs = model.routes(with_broken("short_skip_resnet")), model.cost(with_broken("short_skip_resnet"))
    assert_broken_alone(list(routes.values()), list(model.routes(x).values()))
    np.testing.assert_array_equal(costs[OTHERS], model.cost(x)[OTHERS])
    for router in model.decision_names:
        model.get_layer(router).shift_thresholds(np.array([-1e3]))
    assert costs[BROKEN] == model.cost(x)[BROKEN]
    with pytest.raises(ValueError, match="`decisions` must hold 0 and 1. Received: NaN of router_1 for image 1"):
        hard_routes(routes)


def test_its_loss_is_nan_in_training_too() -> None:
    model = small_model()
    model.compile(keras.optimizers.SGD(0.1))
    x = np.random.default_rng(0).uniform(size=(4, 6, 6, 3)).astype("float32")
    x[BROKEN, 3, 3, 1] = np.nan
    assert np.isnan(model.evaluate(x, labels(), verbose=0, return_dict=True)["loss"])
    assert np.isnan(model.fit(x, labels(), verbose=0).history["loss"][0])
