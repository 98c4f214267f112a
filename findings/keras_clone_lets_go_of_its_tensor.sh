#!/usr/bin/env bash
# Guess: `keras.models.clone_model(net, input_tensors=y)` builds the copy upon `y`, as its documentation says, so that
# the copy's output continues the graph that `y` is of: a way to put a network behind layers of one's own.
#
# What happens (keras 3.15.1): only where `y` is an input. Where it is the output of a layer, the copy is built upon it
# and then cloned once more onto an input of its own, named after `y`: nothing is said, and its output belongs to
# another graph. A model from the first input to it is refused, as not connected. Calling the copy on `y` connects them,
# as one nested layer.
#
# Source: keras/src/models/cloning.py (`_clone_functional_model`), keras/src/models/functional.py (`Functional.__init__`
# calls `clone_graph_nodes` where a given input is the output of a layer).
#
# Usage: bash findings/keras_clone_lets_go_of_its_tensor.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and
# installs Keras and JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   upon an input: its input is that tensor: True; connected: True
#   upon the output of a layer: its input is that tensor: False; connected: False
#   called on the output of a layer: connected: True
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

versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("keras", "jax"))
print(f"Python {platform.python_version()}, {versions}")
inputs = keras.Input((4,))
net = keras.Model(inputs, keras.layers.Dense(3)(inputs))
first = keras.Input((4,))
behind = keras.layers.Dense(4)(first)


def is_connected(output):
    try:
        keras.Model(first, output)
    except ValueError as error:
        if "is not connected" not in str(error):
            raise
        return False
    return True


seen = []
for name, tensor in (("an input", first), ("the output of a layer", behind)):
    copy = keras.models.clone_model(net, input_tensors=tensor)
    seen += [copy.input is tensor, is_connected(copy.output)]
    print(f"upon {name}: its input is that tensor: {seen[-2]}; connected: {seen[-1]}")
seen.append(is_connected(keras.models.clone_model(net)(behind)))
print(f"called on the output of a layer: connected: {seen[-1]}")
sys.exit(0 if seen == [True, True, False, False, True] else "The behaviour is another.")
PYTHON
