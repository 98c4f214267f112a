#!/usr/bin/env bash
# Guess: tf.nn.leaky_relu(x, alpha) has the slope alpha for negative numbers, in a graph as when called eagerly.
#
# What happens (tensorflow 2.21.0, CPU, TF_ENABLE_ONEDNN_OPTS=1): behind a convolution with a bias and a sum, as at the
# end of a residual block, the slope in a graph is 0.2, the operation's default, whatever alpha is. Grappler's remapper
# joins the four operations to one _FusedConv2D, which is not told the slope. Without the sum, or without the bias, it
# is alpha. Networks answer otherwise in `predict`, tf.function and SavedModels than when called; Keras's LeakyReLU has
# a slope of 0.3 unless told otherwise. Whether oneDNN is on by default depends on the processor.
#
# Source: tensorflow/core/grappler/optimizers/remapper.cc (contraction, bias, addition and activation).
#
# Usage: bash findings/fused_leaky_relu_forgets_its_slope.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and
# installs TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0, on an AMD EPYC with AVX-512:
#   oneDNN on: conv, bias, sum: slope 0.20 for 0.10, 0.20 for 0.50; conv, bias: 0.10 for 0.10, 0.50 for 0.50
#   oneDNN off: conv, bias, sum: slope 0.10 for 0.10, 0.50 for 0.50; conv, bias: 0.10 for 0.10, 0.50 for 0.50
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow==2.21.0

cat > "$folder/probe.py" <<'PYTHON'
import platform
import sys

import numpy as np
import tensorflow as tf

print(f"Python {platform.python_version()}, tensorflow {tf.__version__}")
random = np.random.default_rng(0)
kernel, bias = (tf.constant(random.standard_normal(shape), "float32") for shape in ((3, 3, 4, 4), (4,)))
maps = tf.constant(random.standard_normal((2, 8, 8, 4)), "float32")


def slope(adds, alpha):
    """The slope of a graph for negative numbers."""

    def before(x):
        y = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias)
        return y + x if adds else y

    found = tf.function(lambda x: tf.nn.leaky_relu(before(x), alpha))(maps).numpy()
    given = before(maps).numpy()
    return round(float(np.median(found[given < 0] / given[given < 0])), 2)


found = {adds: [slope(adds, alpha) for alpha in (0.1, 0.5)] for adds in (True, False)}
parts = [f"{name}: {{:.2f}} for 0.10, {{:.2f}} for 0.50" for name in ("conv, bias, sum", "conv, bias")]
told = "; ".join(part.format(*each) for part, each in zip(parts, found.values()))
print(f"oneDNN {sys.argv[1]}: {told.replace('sum: ', 'sum: slope ')}")
seen = {True: [0.2, 0.2] if sys.argv[1] == "on" else [0.1, 0.5], False: [0.1, 0.5]}
sys.exit(0 if found == seen else "The behaviour is another.")
PYTHON

TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=1 "$folder/venv/bin/python" "$folder/probe.py" on
TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 "$folder/venv/bin/python" "$folder/probe.py" off
