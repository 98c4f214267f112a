"""Sparse execution computes what masked execution computes, and runs each part only on the samples that chose it."""

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.execution.split_nets import (
    CHANNELS,
    CLASSES,
    SHORTCUTS,
    SIDE,
    counters,
    decided,
    images,
    masked,
    mixed_net,
    relative,
    rows_run,
    split_net,
)
from tf_routing.execution import run
from tf_routing.layers import SplitBlock
from tf_routing.models import RoutedModel

METHODS = ["patterns", "rows"]
MODES = ["eager", "dynamic", "static"]

net = cache(split_net)
mixed = cache(mixed_net)


def compiled(function: Callable[..., Any], mode: str, *inputs: np.ndarray) -> Callable[..., Any]:
    """The function run eagerly, or as a graph for batches of any size, or of a known size."""
    if mode == "eager":
        return function
    if mode == "static":
        return tf.function(function)
    return tf.function(function, [tf.TensorSpec((None, *x.shape[1:]), x.dtype) for x in inputs])


def called(function: Callable[..., Any], mode: str, x: np.ndarray) -> Any:
    """Calls the function once, eagerly or as a graph."""
    return compiled(function, mode, x)(tf.constant(x))


def maps(count: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, SIDE, SIDE, CHANNELS)).astype("float32")


def switches(sub_blocks: int) -> list[np.ndarray]:
    """Random ones of 17 samples, all samples alike, none open, and all open."""
    draw = np.random.default_rng(3).integers(0, 2, (17, sub_blocks)).astype("float32")
    return [draw, draw[[2] * 17], np.zeros_like(draw), np.ones_like(draw)]


def every_pattern(sub_blocks: int) -> list[np.ndarray]:
    """One sample of each pattern."""
    patterns = [[pattern >> n & 1 for n in range(sub_blocks)] for pattern in range(2**sub_blocks)]
    return list(np.array(patterns, "float32")[:, None])


def assert_block_is_sparse(block: SplitBlock, mode: str, cases: list[np.ndarray]) -> None:
    """Checks a block's numbers and the rows its sub-blocks ran on, with given switches."""
    run = compiled(lambda *inputs: block(*inputs), mode, maps(1), cases[0])
    for own in cases:
        x, own_ = tf.constant(maps(len(own))), tf.constant(own)
        block.execution = "masked"
        expected = np.asarray(block(x, own_))
        reset(block)
        block.execution = "sparse"
        assert relative(run(x, own_), expected) <= 1e-5
        np.testing.assert_array_equal(reset(block), own.sum(axis=0))


def reset(block: SplitBlock) -> list[float]:
    """The rows that each sub-block ran on since the last call."""
    rows = [each.get_layer("counter").rows for each in block.sub_blocks]
    values = [float(each) for each in rows]
    for each in rows:
        each.assign(0)
    return values


def block_cases(modes: list[str]) -> list[Any]:
    """Sub-blocks, shortcuts and modes: eagerly every pair, in graphs the smallest and the largest block.

    Graphs of two sub-blocks are those of the models below. `make heavy` runs the whole product.
    """
    graphs = {(1, None), (3, "identity"), (3, "projection")}
    return [
        pytest.param(
            *case, mode, marks=() if mode == "eager" or case in graphs else pytest.mark.heavy, id=f"{case}-{mode}"
        )
        for case in itertools.product((1, 2, 3), SHORTCUTS)
        for mode in modes
    ]


@pytest.mark.parametrize(("sub_blocks", "shortcut", "mode"), block_cases(MODES))
@pytest.mark.parametrize("method", METHODS)
def test_a_block_equals_masked_and_skips(method: str, sub_blocks: int, shortcut: str | None, mode: str) -> None:
    block = net(sub_blocks, shortcut).get_layer("block_1")
    block.method = method
    single = [] if mode == "static" else every_pattern(sub_blocks)
    assert_block_is_sparse(block, mode, [*switches(sub_blocks), *single])


@pytest.mark.parametrize(("sub_blocks", "shortcut", "mode"), block_cases(["eager", "static"]))
def test_one_sample_by_its_case_equals_masked_and_skips(sub_blocks: int, shortcut: str | None, mode: str) -> None:
    block = net(sub_blocks, shortcut).get_layer("block_1")
    block.method = "switch"
    assert_block_is_sparse(block, mode, every_pattern(sub_blocks))


def test_masked_runs_every_part_on_every_sample() -> None:
    model = mixed(3, "projection")
    rows_run(model)
    masked(model, images(17))
    np.testing.assert_array_equal(rows_run(model), np.full((2, 3), 17))


def assert_model_is_sparse(model: RoutedModel, mode: str, counts: list[int]) -> None:
    """Checks a model's numbers, and its sub-blocks' rows against the decisions, for batches of these sizes."""
    run = compiled(lambda x: model(x, training=False), mode, images(1))
    for count in counts:
        x = images(count)
        expected, own = masked(model, x), decided(model, x)
        rows_run(model)
        found = run(tf.constant(x))
        assert found.shape == (count, CLASSES)
        assert relative(found, expected) <= 1e-5
        if count:
            np.testing.assert_array_equal(rows_run(model), own)


# A batch of known size takes another way through a block, whatever its shortcut; `make heavy` runs every pair.
@pytest.mark.parametrize(
    ("shortcut", "mode"),
    [
        pytest.param(*pair, marks=pytest.mark.heavy if pair in ((None, "static"), ("identity", "static")) else ())
        for pair in itertools.product(SHORTCUTS, MODES)
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_model_equals_masked_and_skips(method: str, shortcut: str | None, mode: str) -> None:
    model = mixed(2, shortcut)
    model.set_execution("sparse", method)
    assert_model_is_sparse(model, mode, [17] if mode == "static" else [17, 1, 0])


def test_the_decisions_of_these_tests_differ_between_images() -> None:
    for shortcut in SHORTCUTS:
        own = decided(mixed(2, shortcut), images(17))
        assert (own > 0).all() and (own < 17).all()


@pytest.mark.parametrize(
    ("batch_method", "mode", "counts"),
    [
        ("chunks", "eager", [0, 1, 7, 8, 9, 16, 17]),
        ("chunks", "dynamic", [0, 1, 7, 8, 9, 16, 17]),
        ("chunks", "static", [8, 17]),
        ("images", "eager", [0, 1, 9]),
        ("images", "static", [0, 1, 4]),
        ("whole", "static", [0, 1]),
    ],
)
def test_a_batch_in_parts_equals_masked_and_skips(batch_method: str, mode: str, counts: list[int]) -> None:
    model = mixed(2, "projection")
    model.set_execution("sparse", "auto", batch_method)
    assert_model_is_sparse(model, mode, counts)


@pytest.mark.parametrize(
    ("batch_method", "count", "expected"),
    [
        ("whole", 17, [17]),
        ("chunks", 7, [7]),
        ("chunks", 8, [8]),
        ("chunks", 9, [8, 1]),
        ("chunks", 16, [8, 8]),
        ("chunks", 17, [8, 8, 1]),
        ("images", 3, [1, 1, 1]),
    ],
)
def test_the_parts_of_a_batch(
    batch_method: str, count: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, seen = mixed(2, "projection"), []
    model.set_execution("sparse", "rows", batch_method)
    monkeypatch.setattr(run, "block_method", lambda method, count, size, batch: seen.append(batch) or method)
    model(images(count), training=False)
    assert seen == [size for size in expected for _ in range(2)]


@pytest.mark.parametrize("batch_method", ["chunks", "images"])
def test_all_outputs_are_joined_in_order(batch_method: str) -> None:
    model, x = mixed(2, "projection"), images(10)
    model.set_execution("sparse", "auto", batch_method)
    expected = masked(model, x, return_outputs=True)
    found = called(lambda x_: model(x_, training=False, return_outputs=True), "static", x)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert relative(found[name], value) <= 1e-5, name


def test_images_run_one_by_one_when_asked() -> None:
    model = mixed(2, "projection")
    model.set_execution("sparse", "switch", "images")
    assert_model_is_sparse(model, "static", [3])
    assert_model_is_sparse(model, "eager", [3])


@pytest.mark.parametrize("batch_size", [5, 17])
def test_predict_skips_too(batch_size: int) -> None:
    model, x = mixed(2, "identity"), images(17)
    expected, own = masked(model, x), decided(model, x)
    model.execution = "auto"
    rows_run(model)
    assert relative(model.predict(x, batch_size=batch_size, verbose=0), expected) <= 1e-5
    np.testing.assert_array_equal(rows_run(model), own)
    rows_run(model)
    routes = model.routes(x, batch_size=batch_size)
    np.testing.assert_array_equal([each.sum(axis=0) for each in routes.values()], own)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize("method", METHODS)
def test_the_activation_acts_on_samples_that_chose_nothing(method: str, activation: str | None) -> None:
    for shortcut in SHORTCUTS:
        block = net(2, shortcut, activation).get_layer("block_1")
        block.method = method
        assert_block_is_sparse(block, "eager", [np.array([[0, 0], [1, 0], [0, 0], [1, 1]], "float32")])


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_the_images_are_those_of_masked(method: str) -> None:
    model, gradients = mixed(2, "projection"), []
    for execution in ("masked", "sparse"):
        model.set_execution(execution, method)
        x = tf.constant(images(9))
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(model(x, training=False)[:, 2])
        gradients.append(tape.gradient(loss, x).numpy())
    assert np.abs(gradients[0]).max() > 1e-3
    assert relative(gradients[1], gradients[0]) <= 1e-5


@pytest.fixture
def _policy(request: pytest.FixtureRequest) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("_policy", "tolerance"), [("mixed_bfloat16", 0.02), ("float64", 1e-12)], indirect=["_policy"], ids=["bf16", "f64"]
)
@pytest.mark.usefixtures("_policy")
@pytest.mark.parametrize("method", METHODS)
def test_other_precisions(method: str, tolerance: float) -> None:
    model, x = mixed_net(2, "projection"), images(17)
    model.set_execution("sparse", method)
    policy = keras.config.dtype_policy()
    assert {each.compute_dtype for each in model.layers[1:-1]} == {policy.compute_dtype}
    for mode in ("eager", "dynamic"):
        assert relative(called(lambda x_: model(x_, training=False), mode, x), masked(model, x)) <= tolerance
    assert model(images(0), training=False).shape == (0, CLASSES)
    assert {weight.dtype for weight in keras.tree.flatten(counters(model))} == {policy.variable_dtype}
