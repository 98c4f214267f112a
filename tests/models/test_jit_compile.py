"""Whether XLA compiles a model follows what was asked for, and what its blocks can do at the time."""

import keras
import pytest

from tests.gated_net import gated_model
from tf_routing import execution
from tf_routing.models import Ensemble


def test_masked_execution_gets_back_what_was_asked_for() -> None:
    model = gated_model()
    model.compile("sgd", jit_compile=True)
    seen = []
    for setting in ("sparse", "masked", "auto", "masked"):
        model.execution = setting
        blocks = {block.supports_jit for block in execution.gated_blocks(model)}
        seen.append((model.jit_compile, blocks))
    assert seen == [(False, {False}), (True, {True})] * 2


def test_what_was_never_asked_for_does_not_come() -> None:
    model = gated_model()
    model.compile("sgd", jit_compile=False)
    for setting in ("sparse", "masked"):
        model.execution = setting
        assert model.jit_compile is False


def test_what_is_asked_for_in_sparse_execution_waits_for_masked() -> None:
    model = gated_model()
    model.execution = "sparse"
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", jit_compile=True)
    assert model.jit_compile is False
    model.execution = "masked"
    assert model.jit_compile is True


def test_a_copy_asks_for_the_same() -> None:
    model = gated_model()
    model.compile("sgd", jit_compile=True)
    model.execution = "sparse"
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        clone = keras.models.clone_model(model)
    clone.execution = "masked"
    assert clone.jit_compile is True


def test_members_of_an_ensemble_follow() -> None:
    ensemble = Ensemble.of([gated_model(), gated_model()])
    ensemble.compile("sgd", jit_compile=True)
    ensemble.execution = "sparse"
    assert ensemble.jit_compile is False
    ensemble.execution = "masked"
    assert ensemble.jit_compile is True
