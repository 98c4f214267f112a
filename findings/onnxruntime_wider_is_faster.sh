#!/usr/bin/env bash
# Guess: a convolution with fewer channels takes less time, or at worst as much.
#
# What happens (ONNX Runtime 1.32.0, CPU): three convolutions with 32 channels between them take less time than with 30,
# though they compute more. Only maps whose channels fill blocks of 8 (16 with AVX-512) stay in the layout in which its
# convolutions are fast; others are computed in the plain layout, with a change of layout around them. Networks that
# were pruned or split to a share of their channels lose time so: channels of zeros win it back, numbers unchanged.
#
# Source: onnxruntime/core/optimizer/nchwc_transformer.cc (input channels are compared with the block size).
#
# Usage: bash findings/onnxruntime_wider_is_faster.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# ONNX Runtime into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, onnxruntime 1.32.0, onnx 1.23.2, on an AMD EPYC without AVX-512:
#   32 channels take 0.79 of the time of 30, at 1.11 times the multiply-accumulates
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
from onnx import TensorProto, helper, numpy_helper

NARROW, WIDE, ENDS, SIDE, ROUNDS = 30, 32, 64, 28, 25
versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "onnx"))
print(f"Python {platform.python_version()}, {versions}")
random = np.random.default_rng(0)


def session(width):
    shapes = {"a": (width, ENDS, 1, 1), "b": (width, width, 3, 3), "c": (ENDS, width, 1, 1)}
    kernels = [numpy_helper.from_array(0.05 * random.normal(size=s).astype("float32"), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"]),
        helper.make_node("Relu", ["p"], ["q"]),
        helper.make_node("Conv", ["q", "b"], ["r"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["r"], ["s"]),
        helper.make_node("Conv", ["s", "c"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", ENDS, SIDE, SIDE]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], kernels)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def macs(width):
    return SIDE**2 * (2 * ENDS * width + 9 * width**2)


images = random.normal(size=(8, ENDS, SIDE, SIDE)).astype("float32")
sessions = {width: session(width) for width in (NARROW, WIDE)}
times = {width: [] for width in sessions}
for _ in range(ROUNDS):
    for width, run in sessions.items():
        run.run(None, {"x": images})
        start = time.process_time()
        for _ in range(4):
            run.run(None, {"x": images})
        times[width].append(time.process_time() - start)
ratio = statistics.median(times[WIDE]) / statistics.median(times[NARROW])
work = macs(WIDE) / macs(NARROW)
print(f"{WIDE} channels take {ratio:.2f} of the time of {NARROW}, at {work:.2f} times the multiply-accumulates")
sys.exit(0 if ratio < 0.95 else "The behaviour is another.")
PYTHON
