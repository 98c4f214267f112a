#!/usr/bin/env bash
# Guess: `variable.assign(other)` copies: a model whose weights were given to another one is its own afterwards.
#
# What happens (keras 3.15.1, jax 0.10.2): on JAX both variables hold the same buffer. A training step of the one donates
# its buffers to the compiled step, and from then on calling the other raises an error: its array has been deleted. Where
# weights were copied by `get_weights` and `set_weights`, which go through NumPy, both live.
#
# Source: keras/src/backend/jax/core.py (Variable._direct_assign), keras/src/backend/jax/trainer.py (donate_argnums).
#
# Usage: bash findings/jax_assign_shares_buffers.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs Keras
# and JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   assign: deleted
#   get_weights and set_weights: works
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
x = np.ones((4, 3), "float32")


def outcome(copy):
    """Returns whether a model can be called once a copy of it has trained."""
    first, second = (keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]) for _ in range(2))
    copy(first, second)
    second.compile("sgd", "mse")
    second.fit(x, np.zeros((4, 2), "float32"), verbose=0)
    try:
        first(x)
    except Exception as error:
        return "deleted" if "deleted" in str(error) else type(error).__name__
    return "works"


def assign(first, second):
    for old, new in zip(first.weights, second.weights, strict=True):
        new.assign(old)


found = {
    "assign": outcome(assign),
    "get_weights and set_weights": outcome(lambda first, second: second.set_weights(first.get_weights())),
}
for name, each in found.items():
    print(f"{name}: {each}")
sys.exit(list(found.values()) != ["deleted", "works"])
PYTHON
