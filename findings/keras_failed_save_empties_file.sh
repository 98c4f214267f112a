#!/usr/bin/env bash
# Guess: `model.save("net.keras")` that raises leaves the `net.keras` of before as it was, since the new one is written
# to the side or made in memory first; and a layer without arguments of its own, such as `Identity`, takes a dtype policy
# as every layer does.
#
# What happens (keras 3.15.1): `save` opens the file for writing before the model is serialised. One that cannot be
# serialised raises, and a file of 0 bytes stands where the last good one stood. What cannot be is found only then:
# `Identity(dtype=DTypePolicy("float32"))` builds and predicts and raises NotImplementedError in `save`, for it has no
# `get_config` of its own and the automatic one takes plain values alone. `Identity(dtype="float32")`, and `Dense` with
# the same policy, are saved. (Of the layers of Keras only `Identity` and `ELU` are so.)
#
# Source: keras/src/saving/saving_lib.py (`save_model` opens, then calls `_save_model_to_fileobj`),
# keras/src/ops/operation.py (`__new__`, the automatic configuration).
#
# Usage: bash findings/keras_failed_save_empties_file.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# Keras and JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1, jax 0.10.2:
#   Identity, dtype "float32": saved, the file has bytes
#   Dense, DTypePolicy("float32"): saved, the file has bytes
#   Identity, DTypePolicy("float32"): NotImplementedError, the file has 0 bytes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet keras==3.15.1 jax==0.10.2

KERAS_BACKEND=jax "$folder/venv/bin/python" -W ignore - "$folder/net.keras" <<'PYTHON'
import platform
import sys
from importlib import metadata
from pathlib import Path

import keras

versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("keras", "jax"))
print(f"Python {platform.python_version()}, {versions}")
file, policy = Path(sys.argv[1]), keras.DTypePolicy("float32")
layers = {
    'Identity, dtype "float32"': keras.layers.Identity(dtype="float32"),
    'Dense, DTypePolicy("float32")': keras.layers.Dense(2, dtype=policy),
    'Identity, DTypePolicy("float32")': keras.layers.Identity(dtype=policy),
}
seen = []
for name, layer in layers.items():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs))
    try:
        model.save(file)
        outcome = "saved"
    except NotImplementedError:
        outcome = "NotImplementedError"
    size = file.stat().st_size
    seen.append((outcome, size > 0))
    print(f"{name}: {outcome}, the file has {'bytes' if size else '0 bytes'}")
expected = [("saved", True), ("saved", True), ("NotImplementedError", False)]
sys.exit(0 if seen == expected else "The behaviour is another.")
PYTHON
