"""Parts are merged only where one row of convolutions computes the sum of them."""

from collections.abc import Callable

import keras
import pytest
from keras.layers import Activation, BatchNormalization, Conv2D, ReLU

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from tf_routing.exporting.onnx_writing.graph import Graph, Value
from tf_routing.exporting.onnx_writing.merged_parts import find_steps, write_merged


def row(*layers: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((4, 4, 3)), *layers])


def test_three_convolutions_become_three() -> None:
    parts = [row(Conv2D(7, 1), ReLU(), Conv2D(7, 3, activation="relu"), Conv2D(5, 1)) for _ in range(2)]
    steps, graph = find_steps(parts), Graph()
    assert steps is not None
    # Seven channels grow to a block of eight, between convolutions only.
    assert [step.kernel.shape for step in steps[0]] == [(1, 1, 3, 8), (3, 3, 8, 8), (1, 1, 8, 5)]
    written = write_merged(graph, steps, Value("x", (4, 4, 3)))
    convolutions = [node for node in graph.nodes if node.op_type == "Conv"]
    groups = [next(each.i for each in node.attribute if each.name == "group") for node in convolutions]
    assert written.shape == (2, 2, 5) and groups == [1, 2, 1]
    # Whoever runs one part reads the same kernels.
    write_merged(graph, steps[:1], Value("x", (4, 4, 3)))
    names = {name for node in graph.nodes if node.op_type == "Conv" for name in node.input}
    own = {each.name for each in graph.constants.values() if len(each.dims) == 4}
    assert len(own) == 6 and len(own & names) == 3


@pytest.mark.parametrize(
    "other",
    [
        lambda: row(Conv2D(7, 3, padding="same", activation="relu"), Conv2D(5, 1)),
        lambda: row(Conv2D(6, 1, activation="relu"), Conv2D(5, 1)),
        lambda: row(Conv2D(7, 1, activation="tanh"), Conv2D(5, 1)),
        lambda: row(Conv2D(7, 1), Conv2D(5, 1)),
        lambda: row(Conv2D(7, 1, activation="relu"), Conv2D(5, 1, activation="relu")),
        lambda: row(Conv2D(7, 1, activation="relu"), Conv2D(5, 1), BatchNormalization()),
        lambda: row(Conv2D(7, 1), ReLU(max_value=6), Conv2D(5, 1)),
        lambda: row(Conv2D(7, 1), Activation("elu"), Conv2D(5, 1)),
        lambda: row(Conv2D(5, 1)),
    ],
)
def test_others_are_not_merged(other: Callable[[], keras.Model]) -> None:
    alike = row(Conv2D(7, 1, activation="relu"), Conv2D(5, 1))
    assert find_steps([alike, row(Conv2D(7, 1), Activation("relu"), Conv2D(5, 1))]) is not None
    assert find_steps([alike, other()]) is None


def test_parts_that_are_no_row_or_end_activated_are_not_merged() -> None:
    maps = keras.Input((4, 4, 3))
    y = Conv2D(7, 1, activation="relu")(maps)
    branched = keras.Model(maps, Conv2D(5, 1)(keras.layers.Add()([y, y])))
    sliced = keras.Model(maps, Conv2D(5, 1)(Conv2D(7, 1, activation="relu")(maps[..., :2])))
    activated = row(Conv2D(7, 1, activation="relu"), Conv2D(5, 1, activation="relu"))
    for part in (branched, sliced, activated):
        assert find_steps([part, part]) is None
