#!/usr/bin/env bash
# Guess: an error in the log that says oneDNN supports a type "only on platforms with AVX-512" tells of a processor without
# AVX-512, and goes away on one that has it.
#
# What happens (tensorflow 2.21.0): it says so on every processor, of types that oneDNN has no kernel for anywhere:
# uint8 where a batch of pictures is transposed, and bool and int64 alike. The operation then runs without oneDNN, and
# its result is right: the line, of the level of errors, tells of no fault at all. It comes once per process and type.
# `TF_ENABLE_ONEDNN_OPTS=0` silences it, and oneDNN with it.
#
# Source: tensorflow/core/util/util.cc (`IsDataTypeSupportedByOneDNNOnThisCPU` and the line that is logged).
#
# Usage: bash findings/tensorflow_onednn_blames_the_processor.sh. Needs Python 3.11 to 3.13 on x86-64 Linux (PYTHON names
# another), and installs TensorFlow into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, tensorflow 2.21.0, on a processor with AVX-512 (AMD EPYC):
#   uint8 transposed: right, AVX-512 is missed 1 time
#   bool transposed: right, AVX-512 is missed 1 time
#   int64 transposed: right, AVX-512 is missed 1 time
#   float32 transposed: right, AVX-512 is missed 0 times
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet tensorflow-cpu==2.21.0
cat > "$folder/transpose.py" <<'PYTHON'
import platform
import sys

import numpy as np
import tensorflow as tf

if len(sys.argv) == 1:
    has = "with" if "avx512f" in open("/proc/cpuinfo").read() else "without"
    print(f"Python {platform.python_version()}, tensorflow {tf.__version__}, on a processor {has} AVX-512")
else:
    images = (np.arange(2 * 4 * 6 * 3) % 2).reshape(2, 4, 6, 3).astype(sys.argv[1])
    found = tf.function(lambda x: tf.transpose(x, [0, 2, 1, 3]))(images).numpy()
    sys.exit(0 if np.array_equal(found, images.transpose(0, 2, 1, 3)) else "The transpose is wrong.")
PYTHON
export TF_ENABLE_ONEDNN_OPTS=1 CUDA_VISIBLE_DEVICES=-1
"$folder/venv/bin/python" "$folder/transpose.py" 2> /dev/null
for type in uint8 bool int64 float32; do
    "$folder/venv/bin/python" "$folder/transpose.py" "$type" 2> "$folder/log"
    missed=$(grep -c "only on platforms with AVX-512" "$folder/log" || true)
    echo "$type transposed: right, AVX-512 is missed $missed time$([ "$missed" = 1 ] || echo s)"
    [ "$missed" = "$([ "$type" = float32 ] && echo 0 || echo 1)" ]
done
