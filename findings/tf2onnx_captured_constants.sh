#!/usr/bin/env bash
# Guess: a constant that a tf.function reads from outside is a constant of the ONNX file made of it, as variables are.
#
# What happens (tf2onnx 1.17.0, tensorflow 2.21.0): `convert.from_function` makes an input of every eager tensor that the
# function captured, and leaves its value out. The file says so nowhere but in its list of inputs, and the runtime asks
# for a value that nobody has. Keras's `Normalization(mean=..., variance=...)` holds such tensors, and with it every
# model that standardises its own images. A variable, and a constant made inside the function, are in the file.
#
# Source: tf2onnx/convert.py (from_function), tf2onnx/tf_loader.py (from_function: the inputs of the frozen graph).
#
# Usage: bash findings/tf2onnx_captured_constants.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# TensorFlow, tf2onnx and ONNX Runtime into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tf2onnx 1.17.0, tensorflow 2.21.0, onnxruntime 1.32.0:
#   captured constant: 2 inputs, the value is missing
#   constant inside: 1 input, [[-1.0, -2.0, -3.0]]
#   variable: 1 input, [[-1.0, -2.0, -3.0]]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet \
    tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.32.0

TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import platform
import sys
from importlib import metadata

import numpy as np
import onnxruntime
import tensorflow as tf
from tf2onnx import convert

versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("tf2onnx", "tensorflow", "onnxruntime"))
print(f"Python {platform.python_version()}, {versions}")
MEAN = [[1.0, 2.0, 3.0]]
specs = [tf.TensorSpec((None, 3), name="x")]
captured, variable = tf.constant(MEAN), tf.Variable(MEAN)
functions = {
    "captured constant": lambda x: x - captured,
    "constant inside": lambda x: x - tf.constant(MEAN),
    "variable": lambda x: x - variable,
}


def outcome(function):
    file, _ = convert.from_function(tf.function(function, input_signature=specs, autograph=False), specs, opset=17)
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = len(session.get_inputs())
    try:
        answer = session.run(None, {"x": np.zeros((1, 3), "float32")})[0].tolist()
    except ValueError as error:
        answer = "the value is missing" if "are missing" in str(error) else str(error)
    return inputs, answer


right = (1, [[-1.0, -2.0, -3.0]])
expected = {"captured constant": (2, "the value is missing"), "constant inside": right, "variable": right}
found = {name: outcome(function) for name, function in functions.items()}
for name, (inputs, answer) in found.items():
    print(f"{name}: {inputs} input{'s' if inputs > 1 else ''}, {answer}")
sys.exit(0 if found == expected else "The behaviour is another.")
PYTHON
