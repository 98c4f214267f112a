#!/usr/bin/env bash
# Guess: an optimizer's gradient_accumulation_steps works under tf.distribute as on one device; the two are how large
# batches are trained.
#
# What happens (keras 3.15.1, tensorflow 2.21.0): `fit` under MirroredStrategy raises a RuntimeError about `merge_call` in
# a condition, with one replica and with two, because Keras updates the weights within a condition, and the strategy
# brings gradients together within the update. On one device, and without accumulation, it trains.
#
# Source: keras/src/optimizers/base_optimizer.py (_backend_apply_gradients),
# keras/src/backend/tensorflow/optimizer_distribute.py.
#
# Usage: bash findings/accumulation_under_mirrored_strategy.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and
# installs TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0, keras 3.15.1:
#   one device, accumulating: trains
#   2 replicas: trains
#   1 replica, accumulating: RuntimeError, merge_call
#   2 replicas, accumulating: RuntimeError, merge_call
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow==2.21.0 keras==3.15.1

TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import contextlib
import platform
import sys

import keras
import numpy as np
import tensorflow as tf

print(f"Python {platform.python_version()}, tensorflow {tf.__version__}, keras {keras.__version__}")
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def outcome(replicas, steps):
    scope = contextlib.nullcontext()
    if replicas:
        devices = [f"CPU:{number}" for number in range(replicas)]
        together = tf.distribute.ReductionToOneDevice()
        scope = tf.distribute.MirroredStrategy(devices, cross_device_ops=together).scope()
    with scope:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile(keras.optimizers.SGD(gradient_accumulation_steps=steps), "mse")
    try:
        model.fit(np.zeros((8, 4), "float32"), np.zeros((8, 2), "float32"), batch_size=4, verbose=0)
    except Exception as error:
        return f"{type(error).__name__}, {'merge_call' if 'merge_call' in str(error) else 'something else'}"
    return "trains"


refused = "RuntimeError, merge_call"
cases = [
    ("one device, accumulating", 0, 2, "trains"),
    ("2 replicas", 2, None, "trains"),
    ("1 replica, accumulating", 1, 2, refused),
    ("2 replicas, accumulating", 2, 2, refused),
]
as_described = True
for name, replicas, steps, expected in cases:
    found = outcome(replicas, steps)
    as_described &= found == expected
    print(f"{name}: {found}")
sys.exit(0 if as_described else "The behaviour is another.")
PYTHON
