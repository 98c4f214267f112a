"""A campaign for a GPU runs where nothing but Keras, JAX, what these need and rich is installed."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conformance.subjects import finish, start_python
from tf_routing import data
from tf_routing.data import ImageSet
from tf_routing.data.sources.packed import write_packed

# What `pip install keras jax rich` brings; what is not here stands for what is not installed.
_INSTALLED = """
absl attr h5py jax jaxlib keras markdown_it mdurl ml_dtypes namex numpy opt_einsum optree packaging pygments rich scipy
tf_routing typing_extensions zstandard
"""

_RUN = """
import sys
from importlib.machinery import PathFinder

INSTALLED = sys.argv[1].split()


class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        first = name.partition(".")[0]
        if first in INSTALLED or first in sys.stdlib_module_names or first.startswith("_sysconfigdata"):
            return PathFinder.find_spec(name, path, target)


sys.meta_path = [Bare if finder is PathFinder else finder for finder in sys.meta_path]

import json
from tf_routing.cli.main import main

campaign, packed, output = sys.argv[2:]
words = ["campaign", campaign, "--where", "gpu", "--next", "--data_dir", packed, "--output", output]
status = [main(words), main(words)]
words = ["evaluate", f"{output}/small/basecnn_2cc/seed_0", "--data_dir", packed, "--output", f"{output}/e.json"]
status.append(main(words))
print(json.dumps(status))
"""

_CAMPAIGN = """
title = "On a bare machine"
[[comparisons]]
name = "small"
dataset = "digits"
recipe = "quick"
epochs = 1
precision = "mixed_bfloat16"
seeds = [0]
where = ["gpu"]
arguments = { width_multiplier = 0.0625 }
networks = [{ model = "basecnn_2cc" }]
[[comparisons]]
name = "not here"
dataset = "cifar10"
recipe = "quick"
seeds = [0]
where = ["cpu"]
networks = [{ model = "basecnn" }]
"""


def few(image_set: ImageSet, count: int) -> ImageSet:
    return ImageSet(image_set.images[:count], image_set.labels[:count])


# Two fresh processes that import, compile and train: half a minute.
@pytest.mark.heavy
def test_a_campaign_trains_and_a_network_is_measured_with_jax_alone(tmp_path: Path) -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    digits = data.load("digits")
    write_packed(digits._replace(train=few(digits.train, 256), test=few(digits.test, 40)), tmp_path / "data" / "digits")
    (tmp_path / "mine.toml").write_text(_CAMPAIGN, "utf-8")
    flags = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    arguments = (_INSTALLED, tmp_path / "mine.toml", tmp_path / "data", tmp_path / "runs")
    printed = finish(start_python(_RUN, *arguments, **flags))
    # Trained; nothing left to train; measured.
    assert json.loads(printed.splitlines()[-1]) == [0, 3, 0]
    (row,) = json.loads((tmp_path / "mine.json").read_text("utf-8"))
    assert row["settings"]["precision"] == "mixed_bfloat16" and row["images_per_second"] > 0
    assert row["machine"]["tensorflow"] == "not installed" or row["machine"]["backend"] == "jax"
    measured = json.loads((tmp_path / "runs" / "e.json").read_text("utf-8"))
    assert measured["accuracy"] == pytest.approx(row["final"]["accuracy"])
    folder = tmp_path / "runs/small/basecnn_2cc/seed_0"
    with np.load(next((folder / "checkpoints").glob("step_*.npz"))) as saved:
        # Weights and the optimizer's numbers stay in 32 bits.
        kinds = {saved[name].dtype.kind + str(saved[name].dtype.itemsize) for name in saved.files if name.isdecimal()}
    assert "f4" in kinds and not kinds & {"f2", "V2"}
