#!/usr/bin/env bash
# Guess: a layer or model that is called with `training=False` inside a functional model stays in inference mode in
# `fit`, as Keras's guide to transfer learning has it (`base(x, training=False)`), and one called with `training=True`
# drops out in `predict` too, as Monte Carlo dropout has it.
#
# What happens (keras 3.15.1): whoever calls the outer model with an explicit `training`, as `fit`, `evaluate` and
# `predict` do, overrides both. Batch normalisation of an unfrozen base moves its averages and normalises by the batch,
# and dropout that was asked for in `predict` does nothing. The argument counts only where the outer call names none.
# A frozen base (`trainable = False`) is not concerned: its batch normalisation is in inference mode anyway.
#
# Source: keras/src/models/functional.py (`operation_fn` writes the outer arguments over those of the node).
#
# Usage: bash findings/keras_training_argument.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs Keras
# and JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   base(x, training=False), a step of fit: the moving mean goes from 0.0 to 0.1 of the batch's
#   Dropout(0.5)(x, training=True): the outer call without training drops 0.5, predict 0.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet keras==3.15.1 jax==0.10.2

KERAS_BACKEND=jax "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import platform
import sys
from importlib import metadata

import keras
import numpy as np

versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("keras", "jax"))
print(f"Python {platform.python_version()}, {versions}")

base = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.9)])
x = keras.Input((4,))
model = keras.Model(x, keras.layers.Dense(1)(base(x, training=False)))
model.compile("sgd", "mse")
batch = np.full((8, 4), 10.0, "float32")
model.fit(batch, np.zeros((8, 1)), batch_size=8, epochs=1, verbose=0)
moved = float(np.mean(base.layers[0].moving_mean)) / 10
print(f"base(x, training=False), a step of fit: the moving mean goes from 0.0 to {moved:.1f} of the batch's")

x = keras.Input((1000,))
model = keras.Model(x, keras.layers.Dropout(0.5, seed=0)(x, training=True))
ones = np.ones((1, 1000), "float32")
called, predicted = (float(np.mean(np.asarray(each) == 0)) for each in (model(ones), model.predict(ones, verbose=0)))
print(f"Dropout(0.5)(x, training=True): the outer call without training drops {called:.1f}, predict {predicted:.1f}")
sys.exit(0 if round(moved, 1) == 0.1 and called > 0.4 and predicted == 0.0 else "The behaviour is another.")
PYTHON
