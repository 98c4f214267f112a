"""Channels of zeros between convolutions change no number, and are added only where convolutions alone read them."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import onnx
import onnxruntime
from onnx import helper, numpy_helper

from tf_routing.exporting.onnx_writing.channel_padding import pad_channels


def kernels(*channels: int) -> list[onnx.TensorProto]:
    """Kernels from each number of channels to the next, and the offsets of the first."""
    random = np.random.default_rng(0)
    pairs = pairwise(channels)
    shapes = {f"kernel_{n}": (after, before, 1, 1) for n, (before, after) in enumerate(pairs)}
    arrays = {
        name: random.normal(size=shape).astype("float32") for name, shape in {**shapes, "bias": (channels[1],)}.items()
    }
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def graph_of(
    nodes: list[onnx.NodeProto], channels: tuple[int, ...], outputs: tuple[str, ...] = ("y",)
) -> onnx.GraphProto:
    """A graph that reads maps of two pixels."""
    image = helper.make_tensor_value_info("x", 1, [1, channels[0], 2, 1])
    told = [helper.make_tensor_value_info(name, 1, [1, None, 2, 1]) for name in outputs]
    return helper.make_graph(nodes, "net", [image], told, kernels(*channels))


def chain(kind: str = "Relu") -> list[onnx.NodeProto]:
    """Three convolutions, with an activation behind the first and none behind the second."""
    return [
        helper.make_node("Conv", ["x", "kernel_0", "bias"], ["a"]),
        helper.make_node(kind, ["a"], ["b"]),
        helper.make_node("Conv", ["b", "kernel_1"], ["c"]),
        helper.make_node("Conv", ["c", "kernel_2"], ["y"]),
    ]


def run(graph: onnx.GraphProto) -> list[np.ndarray]:
    """The graph's answers to one image."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).normal(size=session.get_inputs()[0].shape).astype("float32")
    return session.run(None, {"x": image})


def sizes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """The shapes of the kernels that the convolutions read, by what they make."""
    shapes = {each.name: tuple(each.dims) for each in graph.initializer}
    return {node.output[0]: shapes[node.input[1]][:2] for node in graph.node if node.op_type == "Conv"}


@pytest.mark.parametrize(
    ("width", "padded"),
    # To 16 where that adds an eighth at most, else to 8 where that adds a quarter at most.
    [(38, 40), (150, 160), (302, 304), (7, 8), (13, 16), (6, 6), (9, 9), (48, 48), (14, 16)],
)
def test_channels_grow_to_whole_blocks(width: int, padded: int) -> None:
    graph = graph_of(chain(), (3, width, 8, 5))
    pad_channels(graph)
    assert sizes(graph) == {"a": (padded, 3), "c": (8, padded), "y": (5, 8)}


def test_numbers_stay() -> None:
    graph = graph_of(chain(), (3, 7, 15, 5))
    before = run(graph)
    pad_channels(graph)
    assert sizes(graph) == {"a": (8, 3), "c": (16, 8), "y": (5, 16)}
    np.testing.assert_allclose(run(graph)[0], before[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["Sigmoid", "Softplus"])
def test_what_makes_something_of_zeros_stays_between(kind: str) -> None:
    graph = graph_of(chain(kind), (3, 7, 8, 5))
    pad_channels(graph)
    assert sizes(graph) == {"a": (7, 3), "c": (8, 7), "y": (5, 8)}


def test_what_somebody_else_reads_stays() -> None:
    for nodes, outputs in (
        ([*chain(), helper.make_node("GlobalAveragePool", ["b"], ["means"])], ("y", "means")),
        (chain(), ("y", "b")),
        (chain(), ("y", "a")),
    ):
        graph = graph_of(nodes, (3, 7, 8, 5), outputs)
        pad_channels(graph)
        assert sizes(graph) == {"a": (7, 3), "c": (8, 7), "y": (5, 8)}


def test_a_kernel_of_two_convolutions_grows_for_one_of_them() -> None:
    nodes = [*chain(), helper.make_node("Conv", ["x", "kernel_0", "bias"], ["shown"])]
    graph = graph_of(nodes, (3, 7, 8, 5), ("y", "shown"))
    before = run(graph)
    pad_channels(graph)
    assert sizes(graph) == {"a": (8, 3), "c": (8, 8), "y": (5, 8), "shown": (7, 3)}
    for found, expected in zip(run(graph), before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_branches_grow_by_themselves_and_what_they_read_stays() -> None:
    inner = graph_of(chain(), (3, 7, 8, 5))
    del inner.input[:]
    other = helper.make_graph(
        [helper.make_node("Identity", ["kept"], ["z"])], "other", [], [helper.make_tensor_value_info("z", 1, None)]
    )
    nodes = [
        helper.make_node("Conv", ["x", "kernel_0", "bias"], ["kept"]),
        helper.make_node("Conv", ["kept", "kernel_1"], ["read"]),
        helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=other),
    ]
    graph = graph_of(nodes, (3, 7, 8, 5))
    pad_channels(graph)
    assert sizes(graph) == {"kept": (7, 3), "read": (8, 7)}
    branch = graph.node[2].attribute[1 if graph.node[2].attribute[0].name == "else_branch" else 0].g
    assert sizes(branch) == {"a": (8, 3), "c": (8, 8), "y": (5, 8)}
