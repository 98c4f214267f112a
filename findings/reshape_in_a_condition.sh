#!/usr/bin/env bash
# Guess: `tf.cond(tf.shape(x)[0] == 1, ...)` in a function whose batch size is open asks each batch how large it is.
#
# What happens (tensorflow 2.21.0, CPU): where the branch for one row holds `tf.reshape(x, (1, 2))`, every batch takes
# it, without an error: two rows get the answer that was meant for one. Grappler infers shapes from the reshape, which a
# full batch could not pass, takes the batch size for 1 outside the condition too, and folds the condition away; it then
# drops the reshape as one that changes nothing. Without Grappler's optimizers the answers are right; so they are with a
# slice, `x[:1]`, in the branch.
#
# Source: tensorflow/core/grappler/optimizers/constant_folding.cc and remapping by inferred shapes
# (tensorflow/core/grappler/costs/graph_properties.cc).
#
# Usage: bash findings/reshape_in_a_condition.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0:
#   reshape: 1 row [102.0], 2 rows [102.0, 102.0]
#   slice: 1 row [102.0], 2 rows [2.0, 2.0]
#   reshape, disable_meta_optimizer: 1 row [102.0], 2 rows [2.0, 2.0]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow==2.21.0

TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import platform
import sys

import tensorflow as tf

print(f"Python {platform.python_version()}, tensorflow {tf.__version__}")


def answers(first):
    """Returns the sums of rows of ones; those of a single row, and only those, have 100 added."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2))], autograph=False)
    def total(rows):
        return tf.cond(
            tf.shape(rows)[0] == 1,
            lambda: tf.reduce_sum(first(rows), 1) + 100,
            lambda: tf.reduce_sum(rows, 1),
        )

    return [total(tf.ones((count, 2))).numpy().tolist() for count in (1, 2)]


def reshaped(rows):
    return tf.reshape(rows, (1, 2))


right, wrong = [[102.0], [2.0, 2.0]], [[102.0], [102.0, 102.0]]
found = {"reshape": answers(reshaped), "slice": answers(lambda rows: rows[:1])}
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
found["reshape, disable_meta_optimizer"] = answers(reshaped)
for name, (one, two) in found.items():
    print(f"{name}: 1 row {one}, 2 rows {two}")
sys.exit(0 if list(found.values()) == [wrong, right, right] else "The behaviour is another.")
PYTHON
