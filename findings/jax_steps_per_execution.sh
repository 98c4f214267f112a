#!/usr/bin/env bash
# Guess: `compile(steps_per_execution=4)` makes one compiled function of four training steps, as on TensorFlow, so that
# Python is asked once in four steps.
#
# What happens (keras 3.15.1, jax 0.10.2): the compiled function is that of one step whatever the argument, and the
# trainer calls it four times from Python, with four batches that Python fetches. Only callbacks are asked less often.
#
# Source: keras/src/backend/jax/trainer.py (JAXTrainer._make_function).
#
# Usage: bash findings/jax_steps_per_execution.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs Keras and
# JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   calls in 8 steps, 4 per execution: {'compiled function': 8, 'callback': 2}
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet keras==3.15.1 jax==0.10.2 numpy==2.4.6

KERAS_BACKEND=jax "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import platform
import sys

import jax
import keras
import numpy as np
from keras.src.backend.jax import trainer

print(f"Python {platform.python_version()}, keras {keras.__version__}, jax {jax.__version__}")
calls = {"compiled function": 0, "callback": 0}


def counting(function, **options):
    compiled = jax.jit(function, **options)

    def call(*arguments):
        calls["compiled function"] += 1
        return compiled(*arguments)

    return call


class Counting(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        calls["callback"] += 1


trainer.jit = counting
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.compile("sgd", "mse", steps_per_execution=4)
images, labels = np.zeros((32, 4), "float32"), np.zeros((32, 2), "float32")
model.fit(images, labels, batch_size=4, verbose=0, callbacks=[Counting()])
print(f"calls in 8 steps, 4 per execution: {calls}")
sys.exit(0 if calls == {"compiled function": 8, "callback": 2} else "The behaviour is another.")
PYTHON
