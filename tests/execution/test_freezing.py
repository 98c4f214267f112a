"""Functions whose weights are constants."""

import re
from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gated_net
from tests.graph_operations import operations
from tests.skip_net import images, skip_model
from tf_routing.execution.freezing import freeze
from tf_routing.layers import SkipBlock, SkipRouter
from tf_routing.models import RoutedModel

X = images()
SIGNATURE = [tf.TensorSpec((None, *X.shape[1:]))]


def sparse_model() -> RoutedModel:
    model = skip_model()
    model.execution = "sparse"
    return model


def test_a_frozen_function_keeps_the_weights_it_was_made_with() -> None:
    model = sparse_model()
    before = model(X, training=False)
    function = freeze(lambda x: model(x, training=False), SIGNATURE)
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    np.testing.assert_allclose(function(tf.constant(X)), before, atol=1e-6)
    np.testing.assert_allclose(model(X, training=False), 0.25, atol=1e-6)


def test_kernels_are_constants_where_a_branch_reads_them() -> None:
    model = sparse_model()
    function = freeze(lambda x: model(x, training=False), SIGNATURE)
    branches = [each for each in function.graph.as_graph_def().library.function if "Conv2D" in _kinds(each)]
    assert len(branches) >= 3
    for branch in branches:
        makers = {node.name: node.op for node in branch.node_def}
        kernels = [node.input[1].split(":")[0] for node in branch.node_def if node.op == "Conv2D"]
        assert {makers.get(kernel) for kernel in kernels} == {"Const"}
    assert "ReadVariableOp" not in operations(function)


@pytest.mark.parametrize(("count", "method"), [(None, "patterns"), (None, "rows"), (1, "switch")])
def test_each_kernel_is_held_once_whatever_patterns_need_it(count: int | None, method: str) -> None:
    model = gated_net.gated_model()
    model.set_execution("sparse", method)
    signature = [tf.TensorSpec((count, *model.input_shape[1:]))]
    graph = freeze(lambda x: model(x, training=False), signature).graph.as_graph_def()
    nodes = [*graph.node, *chain.from_iterable(each.node_def for each in graph.library.function)]
    held = [tf.make_ndarray(node.attr["value"].tensor) for node in nodes if node.op == "Const"]
    kernels = [np.asarray(weight) for weight in model.weights if len(weight.shape) == 4]
    # A stem, two parts, three of two convolutions each, and a projection.
    assert [sum(np.array_equal(kernel, each) for each in held) for kernel in kernels] == [1] * 10
    if method != "rows":
        # What stays a call when TensorFlow makes the graph ready to run: it would copy the parts into every pattern.
        stay = [each for each in graph.library.function if each.attr["_noinline"].b]
        assert sorted(_kinds(each).count("Conv2D") for each in stay) == [1] * 3 + [2] * 3


def _kinds(function: tf.compat.v1.GraphDef) -> list[str]:
    return [node.op for node in function.node_def]


def test_a_function_that_draws_at_random_cannot_be_frozen() -> None:
    image = keras.Input((4, 4, 2))
    switches = SkipRouter(decision="bernoulli", seed=1)(image)
    part = keras.Input((4, 4, 2))
    block = SkipBlock(keras.Model(part, keras.layers.Conv2D(2, 3, padding="same")(part)))
    model = RoutedModel(image, block(image, switches))
    with pytest.raises(ValueError, match=re.escape("cannot change a variable. Received: one that changes '")):
        freeze(lambda x: model(x, training=False), [tf.TensorSpec((3, 4, 4, 2))])


def test_rows_of_an_identity_shortcut_are_gathered_once() -> None:
    model = skip_model()
    model.set_execution("sparse", "rows")
    function = tf.function(lambda x: model(x, training=False), SIGNATURE).get_concrete_function()
    # Three blocks, and the shortcut of the one that has a convolution there.
    assert operations(function).count("GatherV2") == 4
