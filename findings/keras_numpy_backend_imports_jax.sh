#!/usr/bin/env bash
# Guess: `KERAS_BACKEND=numpy` is the light way to run a saved Keras network: Keras and NumPy are enough, no framework.
#
# What happens (keras 3.15.1): the NumPy backend imports SciPy and JAX, which Keras does not declare as dependencies.
# Beside NumPy alone `import keras` raises ModuleNotFoundError, first for scipy, then for jax; with both it works, and
# the process holds JAX and jaxlib with their memory: some operations of the backend, such as convolutions, are JAX's.
#
# Source: keras/src/backend/numpy (`linalg.py` imports scipy.linalg; `nn.py` and others import keras/src/backend/jax).
#
# Usage: bash findings/keras_numpy_backend_imports_jax.sh. Needs Python 3.11 to 3.13 (PYTHON names another), and installs
# Keras, SciPy and JAX into a temporary folder. Exit status 1 if the behaviour is another than above.
#
# Seen with Python 3.11.7, keras 3.15.1:
#   keras 3.15.1: No module named 'scipy'
#   scipy 1.17.1: No module named 'jax'
#   jax 0.10.2: imported, with jax and jaxlib
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
cat > "$folder/imports.py" <<'PYTHON'
import sys

try:
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    print(error)
else:
    found = " and ".join(name for name in ("jax", "jaxlib") if name in sys.modules)
    print(f"imported, with {found}" if found else "imported")
PYTHON

# What is installed; what importing Keras says.
try() {
    "$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet "$@"
    outcome=$(KERAS_BACKEND=numpy "$folder/venv/bin/python" -W ignore "$folder/imports.py")
    echo "${*//==/ }: $outcome"
}

"$folder/venv/bin/python" -c 'import platform; print("Python", platform.python_version())'
try keras==3.15.1
[ "$outcome" = "No module named 'scipy'" ]
try scipy==1.17.1
[ "$outcome" = "No module named 'jax'" ]
try jax==0.10.2
[ "$outcome" = "imported, with jax and jaxlib" ]
