"""Whether XLA compiles a model follows what was asked for; unasked it compiles no model that skips on TensorFlow."""

import keras

from tests.gated_net import gated_model
from tf_routing import execution
from tf_routing.models import Ensemble, RoutedModel


def supported(model: RoutedModel) -> set[bool]:
    return {block.supports_jit for block in execution.gated_blocks(model)}


def test_what_is_asked_for_holds_in_every_execution() -> None:
    model = gated_model()
    for wish in (True, False):
        model.compile("sgd", jit_compile=wish)
        for setting in ("sparse", "masked", "auto"):
            model.execution = setting
            assert model.jit_compile is wish


def test_unasked_keras_may_compile_what_is_masked() -> None:
    model = gated_model()
    for wish in ({}, {"jit_compile": True}, {"jit_compile": "auto"}):
        model.compile("sgd", **wish)
        seen = []
        for setting in ("sparse", "masked", "auto"):
            model.execution = setting
            seen.append(supported(model))
        assert seen == ([{True}] * 3 if wish.get("jit_compile") is True else [{False}, {True}, {False}])


def test_it_can_be_set_as_an_attribute() -> None:
    model = gated_model()
    model.compile("sgd")
    model.execution = "sparse"
    assert model.jit_compile is False
    model.jit_compile = True
    assert model.jit_compile is True and supported(model) == {True}
    model.jit_compile = False
    assert model.jit_compile is False and supported(model) == {False}


def test_a_copy_asks_for_the_same() -> None:
    model = gated_model()
    model.compile("sgd", jit_compile=True)
    model.execution = "sparse"
    clone = keras.models.clone_model(model)
    assert clone.jit_compile is True and supported(clone) == {True}


def test_members_of_an_ensemble_follow() -> None:
    ensemble = Ensemble.of([gated_model(), gated_model()])
    ensemble.compile("sgd", jit_compile=True)
    for setting in ("sparse", "masked"):
        ensemble.execution = setting
        assert ensemble.jit_compile is True and supported(ensemble) == {True}
    ensemble.compile("sgd", jit_compile=False)
    ensemble.execution = "sparse"
    assert ensemble.jit_compile is False and supported(ensemble) == {False}
