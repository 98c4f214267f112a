"""A skip block blends as Eq. 4 in training, and runs or bypasses its branch as Eq. 11 at inference."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import numpy_reference as reference
from tests.conformance.subjects import disturb
from tests.execution.split_nets import RowCounter
from tf_routing.layers import SkipBlock

BATCH, SIDE, CHANNELS = 8, 4, 3
SHORTCUTS = ["identity", "projection"]
SOFT = np.linspace(0, 1, BATCH)[:, None]
HARD = np.array([0.0, 1, 1, 0, 1, 0, 0, 1])[:, None]
# All but one image by its case, which needs a batch of one.
METHODS = [("masked", "auto"), ("sparse", "patterns"), ("sparse", "rows")]


def part(filters: int = CHANNELS, strides: int = 1, norm: bool = False, name: str | None = None) -> keras.Model:
    """A 1x1 convolution that counts the rows it runs on."""
    x = keras.Input((SIDE, SIDE, CHANNELS), dtype="float64")
    y = RowCounter(dtype="float64", name="counter")(x)
    y = keras.layers.Conv2D(filters, 1, strides, dtype="float64", name="conv")(y)
    y = keras.layers.BatchNormalization(dtype="float64", name="norm")(y) if norm else y
    return keras.Model(x, y, name=name)


def skip_block(shortcut: str, norm: bool = False, **arguments: Any) -> SkipBlock:
    """A block that has a stride where its shortcut is a projection."""
    shape = {} if shortcut == "identity" else {"filters": 5, "strides": 2}
    branch = part(**shape, norm=norm, name="branch")
    model = part(**shape, norm=norm, name="shortcut") if shortcut == "projection" else shortcut
    block = SkipBlock(branch, model, dtype="float64", **arguments)
    rng = np.random.default_rng(0)
    for each in models(block):
        reference.randomise(each, rng)
        each.get_layer("counter").rows.assign(0)
    return block


def models(block: SkipBlock) -> list[keras.Model]:
    """The branch, and the shortcut where it is a model."""
    return [*block.sub_blocks, *([block.shortcut] if isinstance(block.shortcut, keras.Model) else [])]


def rows_run(block: SkipBlock) -> list[float]:
    return [float(each.get_layer("counter").rows) for each in models(block)]


def maps() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(BATCH, SIDE, SIDE, CHANNELS))


def computed(model: keras.Model, x: np.ndarray, training: bool = False) -> np.ndarray:
    """Returns the output of a `part` computed in NumPy."""
    strides = SIDE // model.output_shape[1]
    kernel, bias = model.get_layer("conv").get_weights()
    y = x[:, ::strides, ::strides] @ kernel[0, 0] + bias
    norms = [layer for layer in model.layers if layer.name == "norm"]
    if not norms:
        return y
    return reference.batch_norm(y, reference.NormWeights(*norms[0].get_weights()), norms[0].epsilon, training)


def both(block: SkipBlock, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """F and S, the complete block and its shortcut."""
    shortcut = x if block.shortcut == "identity" else computed(block.shortcut, x, training)
    return reference.relu(shortcut + computed(block.sub_blocks[0], x, training)), shortcut


def eq_4(block: SkipBlock, x: np.ndarray, r: np.ndarray) -> np.ndarray:
    weight, (full, shortcut) = r[:, :, None, None], both(block, x, training=True)
    return weight * full + (1 - weight) * shortcut


def eq_11(block: SkipBlock, x: np.ndarray, r: np.ndarray) -> np.ndarray:
    full, shortcut = both(block, x)
    return np.where(r[:, :, None, None] >= 0.5, full, shortcut)


def assert_close(found: Any, expected: np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_training_blends_the_complete_block_and_its_shortcut(shortcut: str, norm: bool) -> None:
    block, x = skip_block(shortcut, norm), maps()
    expected = eq_4(block, x, SOFT)
    # Which is no branch scaled before it is added.
    full, bypass = both(block, x, training=True)
    scaled = reference.relu(bypass + SOFT[:, :, None, None] * computed(block.sub_blocks[0], x, training=True))
    assert np.abs(expected - scaled).max() > 0.1 < np.abs(full - bypass).max()
    assert_close(block(x, SOFT, training=True), expected)
    assert rows_run(block) == [BATCH] * len(models(block))


@pytest.mark.parametrize(("execution", "method"), METHODS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_inference_takes_the_block_or_its_shortcut(shortcut: str, norm: bool, execution: str, method: str) -> None:
    block, x = skip_block(shortcut, norm), maps()
    block.execution, block.method = execution, method
    expected = eq_11(block, x, HARD)
    assert (expected < 0).mean() > 0.1
    assert_close(block(x, HARD), expected)


@pytest.mark.parametrize("switch", [0.0, 1.0])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_one_image_by_its_case(shortcut: str, switch: float) -> None:
    block, x, r = skip_block(shortcut, norm=True), maps()[:1], np.array([[switch]])
    block.execution, block.method = "sparse", "switch"
    assert_close(block(x, r), eq_11(block, x, r))
    assert rows_run(block)[0] == switch


@pytest.mark.parametrize("method", ["patterns", "rows"])
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_traced_for_batches_of_any_size(shortcut: str, method: str) -> None:
    block, x = skip_block(shortcut), maps()
    block.execution, block.method = "sparse", method
    signature = [tf.TensorSpec((None, *x.shape[1:]), "float64"), tf.TensorSpec((None, 1), "float64")]
    function = tf.function(lambda inputs, switches: block(inputs, switches, training=False), input_signature=signature)
    for count in (1, 3, BATCH):
        assert_close(function(x[:count], HARD[:count]), eq_11(block, x[:count], HARD[:count]))


@pytest.mark.parametrize(("execution", "method"), METHODS)
@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("switch", [0.0, 1.0])
def test_all_off_and_all_on(switch: float, shortcut: str, execution: str, method: str) -> None:
    block, x = skip_block(shortcut), maps()
    block.execution, block.method = execution, method
    full, bypass = both(block, x)
    assert_close(block(x, np.full((BATCH, 1), switch)), full if switch else bypass)


@pytest.mark.parametrize("method", ["patterns", "rows"])
@pytest.mark.parametrize("on", [0, 3, BATCH])
def test_the_branch_runs_on_its_rows_alone_and_the_shortcut_once_on_all(on: int, method: str) -> None:
    block = skip_block("projection")
    block.execution, block.method = "sparse", method
    block(maps(), (np.arange(BATCH)[:, None] < on).astype("float64"))
    assert rows_run(block) == [on, BATCH]


def convolutions(function: Any) -> int:
    """The convolutions in a traced function and in all that it calls."""
    graph = function.graph.as_graph_def()
    return sum(node.op == "Conv2D" for part in (graph, *graph.library.function) for node in _nodes(part))


def _nodes(part: Any) -> Any:
    return part.node if hasattr(part, "node") else part.node_def


def test_by_rows_no_convolution_is_traced_twice() -> None:
    block, x = skip_block("projection"), maps()
    block.execution, block.method = "sparse", "rows"
    function = tf.function(lambda inputs, switches: block(inputs, switches, training=False))
    assert convolutions(function.get_concrete_function(tf.constant(x), tf.constant(HARD))) == 2


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_gradient_of_a_switch_is_the_block_less_its_shortcut(shortcut: str) -> None:
    block, x = skip_block(shortcut, norm=True), maps()
    full, bypass = both(block, x, training=True)
    upstream, switches = np.random.default_rng(2).normal(size=full.shape), tf.constant(SOFT)
    with tf.GradientTape() as tape:
        tape.watch(switches)
        loss = tf.reduce_sum(block(x, switches, training=True) * upstream)
    expected = (upstream * (full - bypass)).sum(axis=(1, 2, 3))
    assert np.abs(expected).max() > 0.1
    assert_close(tape.gradient(loss, switches).numpy()[:, 0], expected)


def test_the_gradients_of_the_branch_and_of_the_input_are_shared_out_by_the_switch() -> None:
    block, x = skip_block("identity"), maps()
    full, _ = both(block, x)
    upstream, inputs = np.random.default_rng(3).normal(size=full.shape), tf.constant(x)
    convolution = block.sub_blocks[0].get_layer("conv")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(block(inputs, SOFT, training=True) * upstream)
    through, bypassed = tape.gradient(loss, [convolution.kernel.value, inputs])
    weight = SOFT[:, :, None, None]
    passed, kernel = weight * upstream * (full > 0), convolution.get_weights()[0][0, 0]
    assert_close(through[0, 0], np.einsum("bhwi,bhwo->io", x, passed))
    assert_close(bypassed, passed @ kernel.T + passed + (1 - weight) * upstream)


@pytest.mark.parametrize(("execution", "method"), METHODS)
def test_no_images_give_no_rows(execution: str, method: str) -> None:
    block = skip_block("identity")
    block.execution, block.method = execution, method
    assert block(maps()[:0], HARD[:0]).shape == (0, SIDE, SIDE, CHANNELS)


def test_another_activation_acts_on_the_sum_and_not_on_the_shortcut() -> None:
    block, x = skip_block("identity", activation="sigmoid"), maps()
    block.execution = "masked"
    complete = reference.sigmoid(x + computed(block.sub_blocks[0], x))
    assert_close(block(x, HARD), np.where(HARD[:, :, None, None] == 1, complete, x))


def test_in_training_statistics_are_those_of_all_samples() -> None:
    block, x = skip_block("projection", norm=True), maps()
    norms = [each.get_layer("norm") for each in models(block)]
    before = [np.asarray(norm.moving_mean).copy() for norm in norms]
    block(x, HARD, training=True)
    for norm, mean, model in zip(norms, before, models(block), strict=True):
        kernel, bias = model.get_layer("conv").get_weights()
        seen = (x[:, ::2, ::2] @ kernel[0, 0] + bias).mean(axis=(0, 1, 2))
        np.testing.assert_allclose(
            np.asarray(norm.moving_mean), norm.momentum * mean + (1 - norm.momentum) * seen, rtol=1e-6
        )


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_rebuilt_block_holds_the_transformed_parts(shortcut: str) -> None:
    block, x, seen = skip_block(shortcut, name="block_7"), maps(), []
    block.execution, block.method = "masked", "rows"

    def doubled(model: keras.Model) -> keras.Model:
        seen.append(model)
        copy = keras.models.clone_model(model)
        copy.set_weights([2 * weight for weight in model.get_weights()])
        return copy

    rebuilt = block.rebuilt(doubled)
    assert {id(each) for each in seen} == {id(each) for each in models(block)} and len(seen) == len(models(block))
    assert type(rebuilt) is SkipBlock and rebuilt.compute_dtype == "float64"
    assert (rebuilt.name, rebuilt.execution, rebuilt.method) == ("block_7", "masked", "rows")
    expected = eq_11(rebuilt, x, HARD)
    assert np.abs(expected - eq_11(block, x, HARD)).max() > 0.1
    assert_close(rebuilt(x, HARD), expected)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_a_block_comes_back_from_its_configuration(shortcut: str) -> None:
    block, x = skip_block(shortcut, norm=True, activation="tanh", name="block_7"), maps()
    disturb(block)
    again = SkipBlock.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    assert [each.name for each in models(again)] == ["branch", "shortcut"][: len(models(block))]
    again.set_weights(block.get_weights())
    np.testing.assert_array_equal(np.asarray(again(x, HARD)), np.asarray(block(x, HARD)))


def test_a_frozen_block_trains_nothing_and_keeps_its_statistics() -> None:
    block, x = skip_block("projection", norm=True), maps()
    assert len(block.trainable_weights) == 2 * 4
    block.trainable = False
    assert block.trainable_weights == []
    means = [each.get_layer("norm").moving_mean for each in models(block)]
    before = [np.asarray(mean).copy() for mean in means]
    assert_close(block(x, HARD, training=True), eq_11(block, x, HARD))
    for old, mean in zip(before, means, strict=True):
        np.testing.assert_array_equal(old, np.asarray(mean))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(("execution", "method"), METHODS)
def test_mixed_precision(policy: str, execution: str, method: str) -> None:
    x = keras.Input((SIDE, SIDE, CHANNELS))
    branch = keras.Model(x, keras.layers.Conv2D(CHANNELS, 1, use_bias=False, dtype=policy, name="conv")(x))
    block = SkipBlock(branch, dtype=policy)
    block.execution, block.method = execution, method
    inputs = maps().astype("float32")
    full = reference.relu(inputs + inputs @ np.asarray(branch.get_layer("conv").kernel)[0, 0])
    for switches, training in ((HARD, False), (SOFT, True)):
        output = block(inputs, switches.astype("float32"), training=training)
        assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
        weight = switches[:, :, None, None]
        found = np.asarray(keras.ops.cast(output, "float32"))
        np.testing.assert_allclose(found, weight * full + (1 - weight) * inputs, atol=0.05)


def test_it_knows_its_shape_before_it_sees_data() -> None:
    output = skip_block("projection")(keras.Input((SIDE, SIDE, CHANNELS), dtype="float64"), keras.Input((1,)))
    assert output.shape == (None, 2, 2, 5) and output.dtype == "float64"


@pytest.mark.parametrize("shortcut", [None, "Identity", 3])
def test_a_shortcut_that_is_none_is_named(shortcut: Any) -> None:
    with pytest.raises(ValueError, match=f"`shortcut` must be one of 'identity'. Received: shortcut={shortcut!r}"):
        SkipBlock(part(), shortcut)


@pytest.mark.parametrize(
    ("branch", "shortcut", "received"),
    [
        ({"filters": 5}, None, r"from \(None, 4, 4, 3\) to \(None, 4, 4, 3\)"),
        ({"strides": 2}, None, r"from \(None, 4, 4, 3\) to \(None, 4, 4, 3\)"),
        ({"filters": 5, "strides": 2}, {"filters": 5}, r"from \(None, 4, 4, 3\) to \(None, 4, 4, 5\)"),
    ],
)
def test_a_shortcut_of_other_shapes_is_shown(branch: Any, shortcut: Any, received: str) -> None:
    model = part(**branch)
    wanted = str(model.output_shape).replace("(", r"\(").replace(")", r"\)")
    message = rf"`shortcut` must go from \(None, 4, 4, 3\) to {wanted}, as `branch` does. Received: {received}"
    with pytest.raises(ValueError, match=message):
        SkipBlock(model, "identity" if shortcut is None else part(**shortcut))


@pytest.mark.parametrize("count", [2, 5])
def test_a_wrong_number_of_switches_is_named(count: int) -> None:
    message = rf"SkipBlock of 1 sub-blocks takes as many switches. Received: switches.shape=\(8, {count}\)"
    with pytest.raises(ValueError, match=message):
        skip_block("identity")(maps(), np.zeros((BATCH, count)))


@pytest.mark.parametrize(("execution", "method"), METHODS)
def test_a_bypass_of_its_own_takes_the_place_of_the_whole_block(execution: str, method: str) -> None:
    block = skip_block("projection", activation="linear", adds_shortcut=False, execution=execution, method=method)
    x = maps()
    whole, way = (computed(each, x) for each in models(block))
    found = np.asarray(block(x, HARD, training=False))
    np.testing.assert_allclose(found, np.where(HARD[:, None, None] > 0, whole, way), atol=1e-12)
    soft = SOFT[:, None, None]
    blended = np.asarray(block(x, SOFT, training=True))
    np.testing.assert_allclose(blended, soft * whole + (1 - soft) * way, atol=1e-12)
    again = SkipBlock.from_config(block.get_config())
    assert not again.adds_shortcut and not block.rebuilt(keras.models.clone_model).adds_shortcut
    assert "adds_shortcut" not in skip_block("identity").get_config()
