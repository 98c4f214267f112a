"""In half precision routers decide as in float32, and masked and sparse execution take the same decisions."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from tests.conformance.subjects import LAYERS, draw_last_kernel, draw_scores, images, small
from tf_routing import calibrate
from tf_routing.layers.routers.router import Router

ROWS = 512
ROUTERS = [
    name
    for name in LAYERS
    if name.startswith(("confidence", "controller", "halting_router", "skip_router", "junction"))
]


@pytest.fixture(autouse=True, params=["mixed_float16", "mixed_bfloat16"])
def policy(request: pytest.FixtureRequest) -> Iterator[str]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def _tensors(shapes: tuple[tuple[int, ...], ...], dtype: str) -> list[keras.KerasTensor]:
    random = np.random.default_rng(7)
    return [keras.ops.cast(random.normal(size=(ROWS, *shape)).astype("float32"), dtype) for shape in shapes]


def test_every_router_is_asked() -> None:
    assert all(isinstance(LAYERS[name].build(), Router) for name in ROUTERS)


@pytest.mark.parametrize("name", ROUTERS)
def test_a_router_decides_as_one_in_float32_with_its_weights(name: str) -> None:
    subject = LAYERS[name]
    half, exact = subject.build(), subject._replace(arguments={**subject.arguments, "dtype": "float32"}).build()
    tensors = _tensors(subject.inputs, half.compute_dtype)
    for layer in (half, exact):
        subject.call(layer, tensors)
    exact.set_weights(half.get_weights())
    for layer in (half, exact):
        draw_last_kernel(layer)
    decided, expected = (np.asarray(subject.call(layer, tensors)[0], "float32") for layer in (half, exact))
    assert 0 < (expected != 0).mean() < 1
    np.testing.assert_array_equal(decided, expected)


_NETS = ["short_split_resnet", "short_skip_resnet", "short_chain", "short_act", "short_sact", "short_msdnet"]


@pytest.mark.parametrize("name", _NETS)
def test_masked_and_sparse_take_the_same_decisions(name: str) -> None:
    model, x = small(name), images(name, 16)
    draw_scores(model)
    model.execution = "masked"
    calibrate(model, x, rate=0.5)
    masked = model.decide(x)
    model.set_execution("sparse", batch_method="whole")
    sparse = model.decide(x)
    for router in model.decision_names:
        taken = np.asarray(masked[router], "float32")
        assert 0 < taken.mean() < 1
        np.testing.assert_array_equal(taken, np.asarray(sparse[router], "float32"), err_msg=router)
