#!/usr/bin/env bash
# Guess: `tf.random.set_seed` (and `keras.utils.set_random_seed`, which calls it) stores a number; a `tf.function` that is
# traced, and draws nothing, runs on as before.
#
# What happens (tensorflow 2.21.0, CPU): every call of it drops all kernels of the process and the optimized form of
# every function. The next call traces nothing anew, which is why nobody looks there, but Grappler and the executor start
# over: for a function of 400 operations it takes over a hundred times as long as the others. Whoever seeds before each
# image, trial or test pays that each time; seeding Python and NumPy, or passing seeds to stateless operations, does not.
#
# Source: `set_global_seed` in tensorflow/python/eager/context.py clears the caches of the context, since kernels of
# stateful random operations count their draws.
#
# Usage: bash findings/set_seed_forgets_functions.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0 (AMD EPYC, 2 cores, processor time, medians):
#   alone: 0 new traces, 0.7 ms
#   after set_seed: 0 new traces, 137.4 ms
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow==2.21.0

TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import platform
import statistics
import sys
import time

import tensorflow as tf

print(f"Python {platform.python_version()}, tensorflow {tf.__version__}")

kernels = [tf.Variable(tf.ones((8, 8))) for _ in range(200)]


@tf.function(autograph=False)
def network(x):
    for kernel in kernels:
        x = tf.nn.relu(x @ kernel)
    return x


def measure(before):
    """Returns how many traces 15 calls added, and their median in milliseconds of processor time."""
    x, traces, times = tf.ones((4, 8)), network.experimental_get_tracing_count(), []
    for _ in range(15):
        before()
        start = time.process_time()
        network(x)
        times.append(1e3 * (time.process_time() - start))
    return network.experimental_get_tracing_count() - traces, statistics.median(times)


network(tf.ones((4, 8)))
alone, seeded = measure(lambda: None), measure(lambda: tf.random.set_seed(0))
for name, (traces, milliseconds) in {"alone": alone, "after set_seed": seeded}.items():
    print(f"{name}: {traces} new traces, {milliseconds:.1f} ms")
same = alone[0] == seeded[0] == 0 and seeded[1] > 20 * alone[1]
sys.exit(0 if same else "The behaviour is another.")
PYTHON
