#!/usr/bin/env bash
# Guess: predict of no images gives an empty answer or an error, and the next predict works as before.
#
# What happens (keras 3.15.1, jax 0.10.2): `predict` of an empty batch raises UnboundLocalError, and the model is lost:
# every later `predict` raises TypeError, because the trainer takes the values out of the variables before its loop and
# puts them back behind it, where an exception never arrives. Calling the model fails alike. A server that catches the
# first error serves nothing any more.
#
# Source: keras/src/backend/jax/trainer.py (JAXTrainer.predict, _purge_model_variables, jax_state_sync).
#
# Usage: bash findings/jax_predict_of_nothing.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs Keras and
# JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   of 3 images: (3, 2)
#   of none: UnboundLocalError
#   of 3 images, afterwards: TypeError
#   calling it, afterwards: failed
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

print(f"Python {platform.python_version()}, keras {keras.__version__}, jax {jax.__version__}")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def outcome(count):
    try:
        return str(model.predict(np.zeros((count, 4), "float32"), verbose=0).shape)
    except Exception as error:
        return type(error).__name__


found = [outcome(3), outcome(0), outcome(3)]
try:
    model(np.zeros((3, 4), "float32"))
    found.append("worked")
except Exception:
    found.append("failed")
names = ["of 3 images", "of none", "of 3 images, afterwards", "calling it, afterwards"]
for name, what in zip(names, found, strict=True):
    print(f"{name}: {what}")
sys.exit(0 if found == ["(3, 2)", "UnboundLocalError", "TypeError", "failed"] else "The behaviour is another.")
PYTHON
