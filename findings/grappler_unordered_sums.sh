#!/usr/bin/env bash
# Guess: with op determinism enabled, TensorFlow's add_n of the same tensors gives the same bits in every call, and an
# optimizer of graphs can be switched off by its name in tf.config.optimizer.set_experimental_options.
#
# What happens (tensorflow 2.21.0, CPU): Grappler's memory optimizer, on by default, takes every CPU for a device of
# 256 MiB. Where it expects a graph to need more than 80 % of that, it replaces sums of three and more tensors of known
# shape by a temporary variable and one AssignAdd per term. Nothing orders these, so terms are added as threads deliver
# them, and the last bits differ from call to call. The option "memory_optimization" is taken without a word, and
# ignored. "disable_meta_optimizer" cures it. A sum of small tensors is not rewritten, which is why tests on small
# inputs do not see it.
#
# Source: tensorflow/core/grappler/optimizers/memory_optimizer.cc (SchedulingPass), meta_optimizer.cc
# (MemoryOptimizerEnabled); tensorflow/python/eager/context.py (Context.config: no such key).
#
# Usage: bash findings/grappler_unordered_sums.sh. Needs Python 3.11 to 3.13 (PYTHON names another), two cores and 1 GiB
# of memory, and installs TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0, numpy 2.4.6 on two busy cores of an AMD EPYC:
#   small sums: 1 different results in 60 calls, 0 sums rewritten
#   large sums: 15 different results in 60 calls, 1 sums rewritten
#   large sums, memory_optimization off: 12 different results in 60 calls, 1 sums rewritten
#   large sums, disable_meta_optimizer: 1 different results in 60 calls, 0 sums rewritten
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow==2.21.0

TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import hashlib
import platform
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

TERMS, CALLS = 8, 60
tf.config.experimental.enable_op_determinism()


def summed(size, options, folder):
    """Returns how many results that differ a sum has in some calls, and how often the executed graph has it rewritten."""
    tf.config.optimizer.set_experimental_options(options)
    numbers = tf.constant(np.random.default_rng(0).standard_normal(size), "float32")

    @tf.function(autograph=False)
    def total(numbers):
        # Of very different sizes, so that their order shows in what is rounded off.
        return tf.add_n([tf.sin(numbers * (term + 1.0)) * 10.0**term for term in range(TERMS)])

    def digest():
        return hashlib.sha256(total(numbers).numpy().tobytes()).hexdigest()

    with tf.summary.create_file_writer(str(folder)).as_default():
        tf.summary.trace_on(graph=True)
        digests = {digest()}
        tf.summary.trace_export("sum", 0)
    for _ in range(CALLS - 1):
        digests.add(digest())
    records = tf.data.TFRecordDataset([str(file) for file in folder.iterdir()])
    events = [tf.compat.v1.Event.FromString(each.numpy()) for each in records]
    texts = [text for event in events for value in event.summary.value for text in value.tensor.string_val]
    graphs = [each for text in texts for each in tf.compat.v1.RunMetadata.FromString(text).function_graphs]
    executed = [node.op for graph in graphs for node in graph.post_optimization_graph.node]
    return len(digests), executed.count("TemporaryVariable")


small, large = 1 << 12, 1 << 23
cases = [
    ("small sums", small, {}, False),
    ("large sums", large, {}, True),
    ("large sums, memory_optimization off", large, {"memory_optimization": False}, True),
    ("large sums, disable_meta_optimizer", large, {"disable_meta_optimizer": True}, False),
]
print(f"Python {platform.python_version()}, tensorflow {tf.__version__}, numpy {np.__version__}")
as_described = True
for number, (name, size, options, unordered) in enumerate(cases):
    results, rewritten = summed(size, options, Path(sys.argv[1], str(number)))
    print(f"{name}: {results} different results in {CALLS} calls, {rewritten} sums rewritten")
    as_described &= (results > 1, rewritten > 0) == (unordered, unordered)
print("As described above." if as_described else "Another behaviour than described: this file is out of date.")
sys.exit(not as_described)
PYTHON
