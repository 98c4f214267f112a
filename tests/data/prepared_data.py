"""Real datasets, where this machine has them."""

import os
from pathlib import Path

import pytest

import tf_routing
from tf_routing import data

_BESIDE_THE_CHECKOUT = Path(tf_routing.__file__).parents[2] / "shared" / "data"
FOLDER = os.environ.get("TFDS_DATA_DIR", str(_BESIDE_THE_CHECKOUT))
_MADE_OF = {"hybrid": ["mnist", "cifar10"], "cifar2": ["cifar10"], "cifar5": ["cifar10"]}


def load_or_skip(name: str) -> data.Dataset:
    """The dataset; skips the test where it is not prepared."""
    missing = [each for each in _MADE_OF.get(name, [name]) if not Path(FOLDER, each).is_dir()]
    if missing:
        pytest.skip(f"{missing[0]} is not prepared: set TFDS_DATA_DIR to a TensorFlow Datasets folder that holds it.")
    return data.load(name, FOLDER)
