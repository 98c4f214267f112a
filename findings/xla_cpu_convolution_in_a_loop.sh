#!/usr/bin/env bash
# Guess: steps of a training in `lax.fori_loop` or `lax.scan` cost what the same compiled steps cost one by one, and save
# the calls from Python.
#
# What happens (jax 0.10.2, on a CPU): a step of gradients through convolutions takes many times as long within a loop as
# outside of one, where its sums differ in their last bits too. Convolutions forwards alone lose nothing, nor do products
# of matrices. On a CPU training steps of convolutional networks are therefore better taken one by one.
#
# Usage: bash findings/xla_cpu_convolution_in_a_loop.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs JAX
# into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, jax 0.10.2:
#   processor time of steps in a loop beside steps one by one: convolution 19.2, forwards alone 0.7, product 0.9
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet jax==0.10.2 numpy==2.4.6

JAX_PLATFORMS=cpu "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import platform
import statistics
import sys
import time

import jax
import jax.numpy as jnp

STEPS, ROUNDS = 4, 5
print(f"Python {platform.python_version()}, jax {jax.__version__}")


def convolve(x, w):
    return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def slowdown(layer, x, w, trains=True):
    """By what the processor time of steps in a loop exceeds that of the same steps one by one."""

    def answer(w):
        return jnp.tanh(layer(jnp.tanh(layer(x, w)), w)).sum()

    def step(w):
        return w - 1e-9 * (jax.grad(answer)(w) if trains else answer(w))

    one = jax.jit(step)
    many = jax.jit(lambda w, count: jax.lax.fori_loop(0, count, lambda _, w: step(w), w))

    def one_by_one():
        found = w
        for _ in range(STEPS):
            found = one(found)
        return found

    def seconds(run):
        started = time.process_time()
        run().block_until_ready()
        return time.process_time() - started

    runs = one_by_one, lambda: many(w, STEPS)
    for run in runs:
        run().block_until_ready()
    # In turns: another process may have the machine for a while.
    times = [[seconds(run) for run in runs] for _ in range(ROUNDS)]
    return statistics.median(looped / plain for plain, looped in times)


maps, kernel = jnp.ones((16, 16, 16, 16)), 0.01 * jnp.ones((3, 3, 16, 16))
convolution, forwards = slowdown(convolve, maps, kernel), slowdown(convolve, maps, kernel, trains=False)
product = slowdown(jnp.matmul, jnp.ones((256, 256)), 0.01 * jnp.ones((256, 256)))
print(
    f"processor time of steps in a loop beside steps one by one: convolution {convolution:.1f}, forwards alone "
    f"{forwards:.1f}, product {product:.1f}"
)
sys.exit(0 if convolution > 2 > max(forwards, product) else "The behaviour is another.")
PYTHON
