#!/usr/bin/env bash
# Guess: the names of operations are labels; two graphs that differ in nothing else compute the same bits.
#
# What happens (tensorflow 2.21.0, CPU): Grappler sorts the inputs of operations that commute, `tf.add_n` among them, by
# the names of the nodes they come from, as text: `conv_10` comes before `conv_9`. A sum of three floats depends on their
# order, so the same network built twice in a process, whose layers Keras numbers on (conv2d_9, conv2d_10), may train to
# other bits from the same seed. Layers that are named alike, or functions without Grappler, do not.
#
# Source: `CanonicalizeNode` in tensorflow/core/grappler/utils/canonicalizer.cc, which
# common_subgraph_elimination.cc calls so that equal operations are found in any order of their inputs.
#
# Usage: bash findings/sums_in_order_of_names.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0:
#   conv_8, conv_9, conv_10: 100000000
#   conv_9, conv_10, conv_11: 100000008
#   conv_9, conv_10, conv_11, disable_meta_optimizer: 100000000
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


def add_squares(first):
    """Returns 1e4² + 1² + 2² in single precision, from nodes whose names are numbered from `first` on."""

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((3,))])
    def total(x):
        return tf.add_n([tf.square(x[place], name=f"conv_{first + place}") for place in range(3)])

    return int(total(tf.constant([1e4, 1.0, 2.0])))


found = {first: add_squares(first) for first in (8, 9)}
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
plain = add_squares(9)
for first, total in found.items():
    print(f"conv_{first}, conv_{first + 1}, conv_{first + 2}: {total}")
print(f"conv_9, conv_10, conv_11, disable_meta_optimizer: {plain}")
sys.exit(0 if (found, plain) == ({8: 100000000, 9: 100000008}, 100000000) else "The behaviour is another.")
PYTHON
