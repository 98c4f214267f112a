#!/usr/bin/env bash
# Guess: an image that holds NaN gives NaN behind convolution, bias and ReLU, in a graph as when called eagerly, since
# tf.nn.relu(NaN) is NaN.
#
# What happens (tensorflow 2.21.0, CPU, TF_ENABLE_ONEDNN_OPTS=1): Grappler's remapper joins Conv2D, BiasAdd and Relu to
# one _FusedConv2D, and oneDNN's ReLU in it gives numbers for NaN. A network that is run as a graph, as `predict` and
# every SavedModel are, answers for a broken image with finite, plausible numbers; run eagerly it says NaN. With oneDNN
# off both say NaN. Whether oneDNN is on by default depends on the processor.
#
# Source: tensorflow/core/grappler/optimizers/remapper.cc; tensorflow/core/kernels/mkl/mkl_conv_ops.cc.
#
# Usage: bash findings/fused_relu_hides_nan.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs TensorFlow
# into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0 on an AMD EPYC without AVX-512:
#   oneDNN on, eager: all NaN; graph: no NaN
#   oneDNN off, eager: all NaN; graph: all NaN
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
kernel, bias = tf.constant(random.standard_normal((3, 3, 3, 8)), "float32"), tf.zeros(8)
images = np.ones((2, 8, 8, 3), "float32")
images[0] = np.nan


def block(images):
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(images, kernel, 1, "SAME"), bias))


def seen(function):
    broken, whole = np.isnan(function(tf.constant(images)).numpy())
    assert not whole.any()
    return "all NaN" if broken.all() else "some NaN" if broken.any() else "no NaN"


switch, expected = sys.argv[1], sys.argv[2]
found = f"eager: {seen(block)}; graph: {seen(tf.function(block))}"
print(f"oneDNN {switch}, {found}")
sys.exit(0 if found == expected else f"Expected {expected}")
PYTHON
export TF_CPP_MIN_LOG_LEVEL=3
TF_ENABLE_ONEDNN_OPTS=1 "$folder/venv/bin/python" "$folder/probe.py" on "eager: all NaN; graph: no NaN"
TF_ENABLE_ONEDNN_OPTS=0 "$folder/venv/bin/python" "$folder/probe.py" off "eager: all NaN; graph: all NaN"
