#!/usr/bin/env bash
# Guess: replacing no rows of a tensor costs nothing, and replacing a few costs those, where nobody else reads the
# tensor: the runtime writes in place, as it does for activations.
#
# What happens (ONNX Runtime 1.32.0, CPU): `ScatterND` copies all of its input first, also for no indices, and though the
# input is read by nothing else. A network that replaces the rows of the images that ran a part pays a pass over the
# whole batch for every part, and three for three. One `Concat` and one `Gather` with the numbers in order are cheaper
# from the second part on.
#
# Source: measured here; the operation is that of ONNX Runtime's CPU provider.
#
# Usage: bash findings/onnxruntime_scatter_copies.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs ONNX
# Runtime into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, onnxruntime 1.32.0, onnx 1.23.2, on an AMD EPYC:
#   ScatterND of no rows takes 0.9 times as long as NumPy's copy of the tensor
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet onnx==1.23.2 onnxruntime==1.32.0

"$folder/venv/bin/python" - <<'PYTHON'
import platform
import statistics
import sys
import time
from importlib import metadata

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

SHAPE, ROUNDS = (64, 56, 56), 25
versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "onnx"))
print(f"Python {platform.python_version()}, {versions}")


def tensor(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, list(shape))


def session(scatters):
    nodes = [helper.make_node("Neg", ["x"], ["made"])]
    inputs = [tensor("x", TensorProto.FLOAT, "n", *SHAPE)]
    if scatters:
        nodes.append(helper.make_node("ScatterND", ["made", "rows", "values"], ["replaced"]))
        inputs += [tensor("rows", TensorProto.INT64, "m", 1), tensor("values", TensorProto.FLOAT, "m", *SHAPE)]
    nodes.append(helper.make_node("ReduceSum", ["replaced" if scatters else "made"], ["y"], keepdims=0))
    graph = helper.make_graph(nodes, "net", inputs, [tensor("y", TensorProto.FLOAT)], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


x = np.random.default_rng(0).normal(size=(32, *SHAPE)).astype("float32")
nobody = {"rows": np.zeros((0, 1), "int64"), "values": np.zeros((0, *SHAPE), "float32")}
plain, scattering = session(False), session(True)
ways = {
    "without": lambda: plain.run(None, {"x": x}),
    "with": lambda: scattering.run(None, {"x": x, **nobody}),
    "copy": x.copy,
}
times = {name: [] for name in ways}
for _ in range(ROUNDS):
    for name, run in ways.items():
        run()
        start = time.process_time()
        for _ in range(3):
            run()
        times[name].append(time.process_time() - start)
medians = {name: statistics.median(each) for name, each in times.items()}
copies = (medians["with"] - medians["without"]) / medians["copy"]
print(f"ScatterND of no rows takes {copies:.1f} times as long as NumPy's copy of the tensor")
sys.exit(0 if copies > 0.5 else "The behaviour is another.")
PYTHON
