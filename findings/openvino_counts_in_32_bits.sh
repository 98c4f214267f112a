#!/usr/bin/env bash
# Guess: OpenVINO runs an ONNX graph of int64 numbers in 64 bits, as ONNX Runtime does, or refuses to.
#
# What happens (openvino 2026.4.1, CPU): it computes in 32 bits, and hands the result out as int64. A constant beyond 2^31
# becomes the greatest number of 32 bits, products of it wrap round, and nothing says so. A network that counts its
# multiply-accumulates in the graph, 4.1e9 for a ResNet-50, answers with a negative number. ONNX Runtime counts rightly.
#
# Source: OpenVINO's CPU plugin, the pass that converts i64 to i32 (documentation of the CPU device, supported types).
#
# Usage: bash findings/openvino_counts_in_32_bits.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# OpenVINO, ONNX and ONNX Runtime into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1:
#   onnxruntime: int64 [0, 4000000000, 8000000000]
#   openvino: int64 [0, 2147483647, -2]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet \
    onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import platform
import sys
from importlib import metadata

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper

versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnx", "onnxruntime", "openvino"))
print(f"Python {platform.python_version()}, {versions}")
chosen = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, ["images"])
macs = helper.make_tensor_value_info("macs", TensorProto.INT64, ["images"])
nodes = [
    helper.make_node("Cast", ["chosen"], ["count"], to=TensorProto.INT64),
    helper.make_node("Mul", ["count", "cost"], ["macs"]),
]
cost = helper.make_tensor("cost", TensorProto.INT64, [1], [4_000_000_000])
graph = helper.make_graph(nodes, "macs", [chosen], [macs], [cost])
file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
blocks = np.array([0, 1, 2], "float32")

session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
core = openvino.Core()
compiled = core.compile_model(core.read_model(model=file), "CPU")
answers = {"onnxruntime": session.run(None, {"chosen": blocks})[0], "openvino": compiled([blocks])[0]}
found = {name: (str(answer.dtype), answer.tolist()) for name, answer in answers.items()}
for name, (kind, numbers) in found.items():
    print(f"{name}: {kind} {numbers}")
expected = {
    "onnxruntime": ("int64", [0, 4_000_000_000, 8_000_000_000]),
    "openvino": ("int64", [0, 2_147_483_647, -2]),
}
sys.exit(0 if found == expected else "The behaviour is another.")
PYTHON
