"""A split block computes Eq. 4: the activated sum of a shortcut and the sub-blocks that are on."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tests.conformance.subjects import disturb
from tf_routing.layers import SplitBlock

BATCH, SIDE, CHANNELS = 8, 4, 3
SHORTCUTS = ["identity", "projection", None]
# Every pattern of three switches once: all off and all on among them.
PATTERNS = np.array([[pattern >> n & 1 for n in range(3)] for pattern in range(8)], "float64")


def part(filters: int = CHANNELS, strides: int = 1, norm: bool = False, name: str | None = None) -> keras.Model:
    x = keras.Input((SIDE, SIDE, CHANNELS), dtype="float64")
    y = keras.layers.Conv2D(filters, 1, strides, dtype="float64", name="conv")(x)
    return keras.Model(x, keras.layers.BatchNormalization(dtype="float64")(y) if norm else y, name=name)


def split_block(shortcut: Any, count: int = 3, norm: bool = False, **arguments: Any) -> SplitBlock:
    """A block of `count` 1x1 convolutions, with a stride where the shortcut is no identity."""
    shape = {} if shortcut == "identity" else {"filters": 5, "strides": 2}
    parts = [part(**shape, norm=norm, name=f"part_{n}") for n in range(count)]
    model = part(**shape, name="shortcut") if shortcut == "projection" else shortcut
    block = SplitBlock(parts, model, dtype="float64", **arguments)
    rng = np.random.default_rng(0)
    for each in [*parts, *([model] if isinstance(model, keras.Model) else [])]:
        reference.randomise(each, rng)
    return block


def maps() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BATCH, SIDE, SIDE, CHANNELS))


def computed(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """What the convolution of a `part` computes, in NumPy."""
    strides = SIDE // model.output_shape[1]
    kernel, bias = model.get_layer("conv").get_weights()
    return x[:, ::strides, ::strides] @ kernel[0, 0] + bias


def eq_4(block: SplitBlock, x: np.ndarray, switches: np.ndarray) -> np.ndarray:
    shortcut = computed(block.shortcut, x) if isinstance(block.shortcut, keras.Model) else x
    total = 0 if block.shortcut is None else shortcut
    for n, sub_block in enumerate(block.sub_blocks):
        total = total + switches[:, n, None, None, None] * computed(sub_block, x)
    return total


@pytest.mark.parametrize("execution", ["masked", "sparse"])
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_output_is_that_of_the_equation(shortcut: Any, activation: str | None, execution: str) -> None:
    block, x = split_block(shortcut, activation=activation), maps()
    block.execution = execution
    expected = eq_4(block, x, PATTERNS)
    assert (expected < 0).mean() > 0.2
    expected = reference.relu(expected) if activation else expected
    np.testing.assert_allclose(np.asarray(block(x, PATTERNS)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_training_computes_the_same(shortcut: Any) -> None:
    block, x = split_block(shortcut), maps()
    expected = eq_4(block, x, PATTERNS)
    np.testing.assert_allclose(np.asarray(block(x, PATTERNS, training=True)), expected, rtol=1e-12, atol=1e-12)


def test_all_off_leaves_the_shortcut_or_zeros() -> None:
    x, off = maps(), np.zeros((BATCH, 3))
    np.testing.assert_array_equal(np.asarray(split_block("identity")(x, off)), x)
    projected = split_block("projection")
    np.testing.assert_allclose(np.asarray(projected(x, off)), computed(projected.shortcut, x), rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(split_block(None)(x, off)), np.zeros((BATCH, 2, 2, 5)))


@pytest.mark.parametrize(("execution", "method"), [("masked", "auto"), ("sparse", "patterns"), ("sparse", "rows")])
def test_the_activation_acts_on_zeros_too(execution: str, method: str) -> None:
    block = split_block(None, activation="sigmoid")
    block.execution, block.method = execution, method
    output = block(maps(), np.zeros((BATCH, 3)))
    np.testing.assert_array_equal(np.asarray(output), np.full((BATCH, 2, 2, 5), 0.5))


def test_the_gradient_of_a_switch_is_what_its_sub_block_adds() -> None:
    block, x, rng = split_block("projection", activation="relu"), maps(), np.random.default_rng(2)
    upstream = rng.normal(size=(BATCH, 2, 2, 5))
    switches = tf.constant(PATTERNS)
    with tf.GradientTape() as tape:
        tape.watch(switches)
        loss = tf.reduce_sum(block(x, switches, training=True) * upstream)
    passed = upstream * (eq_4(block, x, PATTERNS) > 0)
    expected = [(passed * computed(each, x)).sum(axis=(1, 2, 3)) for each in block.sub_blocks]
    np.testing.assert_allclose(tape.gradient(loss, switches).numpy().T, expected, rtol=1e-9, atol=1e-9)


def test_in_training_statistics_are_those_of_all_samples() -> None:
    block, x = split_block("identity", norm=True), maps()
    norms = [each.layers[-1] for each in block.sub_blocks]
    means = [np.asarray(norm.moving_mean) for norm in norms]
    block(x, PATTERNS, training=True)
    for norm, mean, each in zip(norms, means, block.sub_blocks, strict=True):
        expected = norm.momentum * mean + (1 - norm.momentum) * computed(each, x).mean(axis=(0, 1, 2))
        np.testing.assert_allclose(np.asarray(norm.moving_mean), expected, rtol=1e-6)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_rebuilt_block_holds_the_transformed_parts(shortcut: Any) -> None:
    block, seen = split_block(shortcut, activation="relu", name="block_7"), []
    block.execution, block.method = "masked", "rows"

    def doubled(model: keras.Model) -> keras.Model:
        seen.append(model)
        copy = keras.models.clone_model(model)
        copy.set_weights([2 * weight for weight in model.get_weights()])
        return copy

    rebuilt = block.rebuilt(doubled)
    assert seen == [*([block.shortcut] if shortcut == "projection" else []), *block.sub_blocks]
    assert (rebuilt.name, rebuilt.execution, rebuilt.method) == ("block_7", "masked", "rows")
    assert rebuilt.compute_dtype == "float64" and rebuilt.activation is block.activation
    x = maps()
    expected = reference.relu(2 * eq_4(block, x, PATTERNS) - (x if shortcut == "identity" else 0))
    np.testing.assert_allclose(np.asarray(rebuilt(x, PATTERNS)), expected, rtol=1e-12, atol=1e-12)


def test_a_rebuilt_block_is_frozen_where_the_block_is() -> None:
    block = split_block("projection")
    block.sub_blocks[1].trainable = False
    same = block.rebuilt(lambda model: model)
    assert [each.trainable for each in same.sub_blocks] == [True, False, True] and same.trainable
    block.trainable = False
    assert not block.rebuilt(lambda model: model).trainable


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_block_comes_back_from_its_configuration(shortcut: Any) -> None:
    block, x = split_block(shortcut, activation="relu", norm=True, name="block_7"), maps()
    disturb(block)
    again = SplitBlock.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    assert [each.name for each in again.sub_blocks] == ["part_0", "part_1", "part_2"]
    again.set_weights(block.get_weights())
    np.testing.assert_array_equal(np.asarray(again(x, PATTERNS)), np.asarray(block(x, PATTERNS)))


def test_a_frozen_block_trains_nothing_and_keeps_its_statistics() -> None:
    block, x = split_block("projection", norm=True), maps()
    assert len(block.trainable_weights) == 3 * 4 + 2
    block.trainable = False
    assert block.trainable_weights == [] and len(block.non_trainable_weights) == len(block.weights) == 3 * 6 + 2
    before = block.get_weights()
    np.testing.assert_allclose(np.asarray(block(x, PATTERNS, training=True)), np.asarray(block(x, PATTERNS)), rtol=1e-6)
    for old, new in zip(before, block.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_knows_its_shape_before_it_sees_data() -> None:
    output = split_block("projection")(keras.Input((SIDE, SIDE, CHANNELS), dtype="float64"), keras.Input((3,)))
    assert output.shape == (None, 2, 2, 5) and output.dtype == "float64"


def test_no_sub_block_is_named() -> None:
    with pytest.raises(ValueError, match=r"`sub_blocks` must be models of the same.*Received: \[\]"):
        SplitBlock([])


def test_sub_blocks_of_different_shapes_are_shown() -> None:
    with pytest.raises(ValueError, match=r"`sub_blocks` must.*\(None, 4, 4, 3\).*\(None, 4, 4, 5\)"):
        SplitBlock([part(), part(filters=5)])


@pytest.mark.parametrize("shortcut", ["projection", "Identity", 3])
def test_a_shortcut_that_is_none_is_named(shortcut: Any) -> None:
    with pytest.raises(ValueError, match=f"must be one of 'identity', None. Received: shortcut={shortcut!r}"):
        SplitBlock([part()], shortcut)


@pytest.mark.parametrize("count", [1, 4])
def test_a_wrong_number_of_switches_is_named(count: int) -> None:
    message = rf"SplitBlock of 3 sub-blocks takes as many switches. Received: switches.shape=\(8, {count}\)"
    with pytest.raises(ValueError, match=message):
        split_block("identity")(maps(), np.zeros((BATCH, count)))
