"""What the page about SavedModels says of ONNX files that ONNX Runtime quantises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

from tests import exit_net, skip_net
from tf_routing import onnx_export


class Images(CalibrationDataReader):
    """The images, in one batch."""

    def __init__(self, images: np.ndarray) -> None:
        self.batches = iter([{"images": images}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def list_graphs(graph: Any) -> Iterator[Any]:
    """A graph, and the branches of its conditions."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from list_graphs(attribute.g)


def count(graph: Any, kind: str) -> int:
    return sum(node.op_type == kind for node in graph.node)


def answer(file: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"images": images})[0]


def assert_quantised(graph: Any, convolutions: int) -> None:
    """Checks that so many convolutions read nothing but numbers of eight bits."""
    made = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    found = [node for node in graph.node if node.op_type == "Conv"]
    assert len(found) == convolutions > 0 and all(set(node.input) <= made for node in found)


def test_blocks_that_are_skipped_are_quantised(tmp_path: Path) -> None:
    model, images = skip_net.skip_model(), skip_net.images(32)
    net, integers, static = (tmp_path / f"{name}.onnx" for name in ("net", "integers", "static"))
    onnx_export.export_onnx(model, net)
    [graph] = list_graphs(onnx.load(net).graph)
    convolutions = count(graph, "Conv")
    quantize_dynamic(net, integers)
    [graph] = list_graphs(onnx.load(integers).graph)
    assert count(graph, "ConvInteger") == convolutions > 4 and count(graph, "Conv") == 0
    quantize_static(net, static, Images(images))
    [graph] = list_graphs(onnx.load(static).graph)
    assert_quantised(graph, convolutions)
    for file in (integers, static):
        np.testing.assert_allclose(answer(file, images), answer(net, images), atol=0.02)


def test_what_stands_in_a_branch_stays_in_floats(tmp_path: Path) -> None:
    model = exit_net.exit_model()
    exit_net.vary(model)
    exit_net.balance(model)
    images = exit_net.images(16)
    net, some, all_of_them, static = (tmp_path / f"{name}.onnx" for name in ("net", "some", "all", "static"))
    onnx_export.export_onnx(model, net)
    whole, *branches = list_graphs(onnx.load(net).graph)
    inner = sum(count(each, "Conv") for each in branches)
    assert inner and count(whole, "Conv")
    quantize_dynamic(net, some)
    quantize_dynamic(net, all_of_them, extra_options={"EnableSubgraph": True})
    quantize_static(net, static, Images(images), extra_options={"EnableSubgraph": True})
    for file, left in ((some, inner), (all_of_them, 0)):
        whole, *branches = list_graphs(onnx.load(file).graph)
        assert count(whole, "Conv") == 0 and sum(count(each, "Conv") for each in branches) == left
    _, *branches = list_graphs(onnx.load(static).graph)
    assert sum(count(each, "DequantizeLinear") for each in branches) == 0
    for file in (some, all_of_them, static):
        assert np.isfinite(answer(file, images)).all()


def test_all_is_quantised_where_all_stands_in_one_graph(tmp_path: Path) -> None:
    model = exit_net.exit_model()
    exit_net.vary(model)
    exit_net.balance(model)
    images = exit_net.images(32)
    net, static = tmp_path / "net.onnx", tmp_path / "static.onnx"
    onnx_export.export_onnx(model, net, subgraphs=False)
    quantize_static(net, static, Images(images))
    [graph] = list_graphs(onnx.load(static).graph)
    assert_quantised(graph, count(onnx.load(net).graph, "Conv"))
    # Images that leave elsewhere, since scores are rounded, answer otherwise.
    found, expected = answer(static, images), answer(net, images)
    assert np.mean(np.abs(found - expected).max(axis=1) < 0.05) > 0.8
