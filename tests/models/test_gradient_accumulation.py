"""What an objective adapts by steps goes with the weights: it moves when, and only when, the optimizer moves them."""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tests.models.labelled_model import IMAGES, labelled_model
from tests.snippets import run_snippet
from tf_routing.objectives import Classification

LABELS = np.array([3, 0, 4, 1])


class Counted(Classification):
    """Counts the steps after which it may adapt."""

    steps: Any = None

    def build(self, outputs: dict[str, Any]) -> None:
        self.steps = keras.Variable(0, dtype="int32", trainable=False)

    @property
    def state(self) -> list[Any]:
        return [self.steps]

    def end_step(self) -> None:
        self.steps.assign(self.steps + 1)


def _sgd(**arguments: Any) -> Any:
    return keras.optimizers.SGD(0.1, **arguments)


def _scaled(optimizer: Any) -> Any:
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0)


class Case(NamedTuple):
    """An optimizer, whether the gradients of each step overflow, and whether it moves the weights."""

    make: Callable[[], Any]
    overflows: list[bool]
    moves: list[bool]


_FIRST, _NEVER = [True] + [False] * 5, [False] * 6
OPTIMIZERS = {
    "each step": Case(_sgd, _NEVER, [True] * 6),
    "every third": Case(lambda: _sgd(gradient_accumulation_steps=3), _NEVER, [False, False, True] * 2),
    "overflow": Case(lambda: _scaled(_sgd()), _FIRST, [False] + [True] * 5),
    "overflow, every second": Case(
        lambda: _scaled(_sgd(gradient_accumulation_steps=2)), _FIRST, [False, False, True, False, True, False]
    ),
}


def assert_adapts_with_the_weights(name: str) -> None:
    case, model = OPTIMIZERS[name], labelled_model()
    model.compile(case.make(), objective=Counted())
    before, counted = model.get_weights()[0], 0
    for number, (overflows, moved) in enumerate(zip(case.overflows, case.moves, strict=True)):
        model.train_on_batch(IMAGES, LABELS, sample_weight=np.full(4, np.inf if overflows else 1.0, "float32"))
        after = model.get_weights()[0]
        assert np.isfinite(after).all()
        assert np.array_equal(after, before) != moved, (name, number)
        counted += moved
        assert int(model.objective_state[0]) == counted, (name, number)
        before = after


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_objective_adapts_with_the_weights(name: str) -> None:
    assert_adapts_with_the_weights(name)


_JAX = """
from tests.models.test_gradient_accumulation import OPTIMIZERS, assert_adapts_with_the_weights

for name in OPTIMIZERS:
    assert_adapts_with_the_weights(name)
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_it_does_on_jax() -> None:
    run_snippet(_JAX, backend="jax")
