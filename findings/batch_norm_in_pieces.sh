#!/usr/bin/env bash
# Guess: keras.layers.BatchNormalization trains on maps by TensorFlow's FusedBatchNormV3, one operation (cuDNN's on
# GPUs), as it did in Keras 2.
#
# What happens (keras 3.15.1, tensorflow 2.21.0): Keras 3 has no fused path. It takes tf.nn.moments and
# tf.nn.batch_normalization, many operations with their gradients, each of which reads or writes all maps. Where these
# do not fit in a cache, a step of the layer takes longer. Grappler does not put the pieces together.
#
# Source: keras/src/layers/normalization/batch_normalization.py, `call`; keras/src/backend/tensorflow/nn.py, `moments` and
# `batch_normalization`.
#
# Usage: bash findings/batch_norm_in_pieces.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs Keras
# and TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above; times are only shown.
#
# Seen with Python 3.11.7, keras 3.15.1, tensorflow 2.21.0 on an AMD EPYC without AVX-512, TF_ENABLE_ONEDNN_OPTS=1:
#   of_keras: fused False, processor time of a step 45 ms
#   fused: fused True, processor time of a step 24 ms
#   largest difference of outputs 2.5e-05
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet keras==3.15.1 tensorflow==2.21.0

cat > "$folder/probe.py" <<'PYTHON'
import platform
import statistics
import sys
import time

import keras
import tensorflow as tf

print(f"Python {platform.python_version()}, keras {keras.__version__}, tensorflow {tf.__version__}")
layer = keras.layers.BatchNormalization()
layer.build((None, 32, 32, 32))
maps = tf.random.stateless_normal((128, 32, 32, 32), (0, 0))


def fused(maps):
    given = {"scale": layer.gamma, "offset": layer.beta, "mean": [], "variance": [], "epsilon": layer.epsilon}
    return tf.raw_ops.FusedBatchNormV3(x=maps, is_training=True, **given).y


def of_keras(maps):
    return layer(maps, training=True)


def gradient(function):
    @tf.function
    def step(maps, weights):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            loss = tf.reduce_sum(function(maps) * weights)
        return tape.gradient(loss, maps)

    return step


weights = tf.random.stateless_normal(maps.shape, (0, 1))
found = {}
for function in (of_keras, fused):
    step = gradient(function)
    graph = step.get_concrete_function(maps, weights).graph
    kinds = [operation.type for operation in graph.get_operations()]
    times = []
    for _ in range(12):
        started = time.process_time()
        step(maps, weights).numpy()
        times.append(time.process_time() - started)
    found[function] = "FusedBatchNormV3" in kinds
    milliseconds = 1000 * statistics.median(times[2:])
    print(f"{function.__name__}: fused {found[function]}, processor time of a step {milliseconds:.0f} ms")
difference = tf.reduce_max(tf.abs(of_keras(maps) - fused(maps))).numpy()
print(f"largest difference of outputs {difference:.1e}")
sys.exit(0 if not found[of_keras] and found[fused] and difference < 1e-4 else "Keras fuses now")
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/probe.py"
