#!/usr/bin/env bash
# Guess: quantising an ONNX file quantises all of its dense layers and convolutions, also those in branches of `If`.
#
# What happens (ONNX Runtime 1.32.0): what stands in a branch stays in floats, without a word. quantize_dynamic takes it
# along when its extra option EnableSubgraph is set; quantize_static takes the same option and leaves branches as they
# were all the same. A network becomes hardly smaller so where its large parts are those that run on a condition.
#
# Source: onnxruntime/python/tools/quantization (onnx_quantizer.py asks for the option, qdq_quantizer.py never looks into
# branches; quantize.py says of static quantisation that the option is to be supported).
#
# Usage: bash findings/onnxruntime_quantize_leaves_branches.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and
# installs ONNX Runtime into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, onnxruntime 1.32.0, onnx 1.23.2:
#   quantize_dynamic                      outside: MatMulInteger   in the branch: MatMul
#   quantize_dynamic, EnableSubgraph      outside: MatMulInteger   in the branch: MatMulInteger
#   quantize_static                       outside: of quantised    in the branch: MatMul
#   quantize_static, EnableSubgraph       outside: of quantised    in the branch: MatMul
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet onnx==1.23.2 onnxruntime==1.32.0

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import platform
import sys
from importlib import metadata

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static

logging.disable(logging.WARNING)
versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "onnx"))
print(f"Python {platform.python_version()}, {versions}")
WIDTH = 32
random = np.random.default_rng(0)


def kernel(name):
    return numpy_helper.from_array(random.normal(size=(WIDTH, WIDTH)).astype("float32"), name)


def maps(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])


def branch(name, *nodes, kernels=()):
    return helper.make_graph(list(nodes), name, [], [maps(f"{name}_y")], list(kernels))


runs = branch("runs", helper.make_node("MatMul", ["h", "inner"], ["runs_y"], "inside"), kernels=[kernel("inner")])
skips = branch("skips", helper.make_node("Identity", ["h"], ["skips_y"], "skip"))
nodes = [
    helper.make_node("MatMul", ["x", "outer"], ["h"], "outside"),
    helper.make_node("ReduceSum", ["h"], ["sum"], "sum", keepdims=0),
    helper.make_node("Greater", ["sum", "zero"], ["decision"], "decide"),
    helper.make_node("If", ["decision"], ["y"], "if", then_branch=runs, else_branch=skips),
]
constants = [kernel("outer"), numpy_helper.from_array(np.float32(0), "zero")]
graph = helper.make_graph(nodes, "net", [maps("x")], [maps("y")], constants)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "net.onnx")


class Images(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"x": random.normal(size=(8, WIDTH)).astype("float32")} for _ in range(4)])

    def get_next(self):
        return next(self.batches, None)


def describe(graph):
    """What its product of matrices is, or what this reads."""
    integer = [node for node in graph.node if node.op_type == "MatMulInteger"]
    if integer:
        return "MatMulInteger"
    [product] = [node for node in graph.node if node.op_type == "MatMul"]
    quantised = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    return "of quantised" if product.input[1] in quantised else "MatMul"


ways = {
    "quantize_dynamic": lambda: quantize_dynamic("net.onnx", "q.onnx"),
    "quantize_dynamic, EnableSubgraph": lambda: quantize_dynamic(
        "net.onnx", "q.onnx", extra_options={"EnableSubgraph": True}
    ),
    "quantize_static": lambda: quantize_static("net.onnx", "q.onnx", Images()),
    "quantize_static, EnableSubgraph": lambda: quantize_static(
        "net.onnx", "q.onnx", Images(), extra_options={"EnableSubgraph": True}
    ),
}
found = {}
for name, quantize in ways.items():
    quantize()
    model = onnx.load("q.onnx")
    [choice] = [node for node in model.graph.node if node.op_type == "If"]
    [then] = [each.g for each in choice.attribute if each.name == "then_branch"]
    found[name] = (describe(model.graph), describe(then))
    print(f"{name:36}  outside: {found[name][0]:14}  in the branch: {found[name][1]}")
seen = [
    ("MatMulInteger", "MatMul"),
    ("MatMulInteger", "MatMulInteger"),
    ("of quantised", "MatMul"),
    ("of quantised", "MatMul"),
]
sys.exit(0 if list(found.values()) == seen else "The behaviour is another.")
PYTHON
