"""On JAX, with TensorFlow nowhere to be found, families train on digits, and what stopped goes on bit for bit."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.snippets import run_snippet

# The builders of the zoo with fewer blocks: compiling for JAX takes long, and by the depth.
_TRAIN = """
import sys

from importlib.machinery import PathFinder


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in ("tensorflow", "tensorflow_datasets"):
            return PathFinder.find_spec(name, path, target)


sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]

import json
from pathlib import Path

import keras
import numpy as np
from tf_routing import data
from tf_routing.data.batching.device_batches import DeviceBatches
from tf_routing.train.distribution.devices import open_devices
from tf_routing.train.fit import fit
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.zoo.architectures import ARCHITECTURES

SMALLER = {
    "basecnn_ensemble3": {"members": ("basecnn", "basecnn")},
    "dmnn50_cifar_n2": {"stage_blocks": (1, 1)},
    "drn_resnet32": {"stage_blocks": (1, 1), "widths": (16, 32)},
}
for name, changes in SMALLER.items():
    line = ARCHITECTURES[name]
    ARCHITECTURES[name] = line._replace(arguments={**line.arguments, **changes})
leaf = {"channels": [4, 4], "sinks": ["classify"]}
TREE = {"channels": [4, 4, 4], "sinks": ["classify", leaf, leaf]}
CHAIN = {"channels": [4, 4, 4], "sinks": ["classify", leaf]}
NETS = {
    "multipath": ("basecnn_2cc", {"width_multiplier": 0.0625}, 1),
    "ensemble": ("basecnn_ensemble3", {"width_multiplier": 0.0625}, 1),
    "dmnn": ("dmnn50_cifar_n2", {"width_multiplier": 0.0625, "target_rate": 0.5}, 1),
    "drn": ("drn_resnet32", {"width_multiplier": 0.25, "target": 0.5}, 4),
    "actor": ("decide_tree", {"tree": TREE, "dynamic_cost": True}, 1),
    "critic": ("decide_tree", {"tree": CHAIN, "strategy": "pragmatic_critic"}, 1),
}
digits = data.load("digits")
few = digits._replace(
    train=data.ImageSet(digits.train.images[:64], digits.train.labels[:64]),
    test=data.ImageSet(digits.test.images[:40], digits.test.labels[:40]),
)
root = Path(sys.argv[1])


def train(name, epochs=1, output=None, **options):
    architecture, arguments, copies = NETS[name]
    recipe = Recipe("tiny", "Tiny", epochs=epochs, batch_size=32, learning_rate=0.02, copies=copies, shift=2)
    # One family takes many steps in a call, as on an accelerator.
    options["devices"] = open_devices(steps_per_execution=3 if name == "drn" else None)
    return fit(architecture, few, recipe, root / (output or name), model_arguments=arguments, **options)


def train_and_stop(name):
    draw = DeviceBatches.draw

    def stopping(self, first, count, size):
        if first >= 13:
            raise KeyboardInterrupt
        return draw(self, first, count, size)

    DeviceBatches.draw = stopping
    try:
        train(name, 2, "stopped", checkpoint_every=5)
    except KeyboardInterrupt:
        return
    finally:
        DeviceBatches.draw = draw
    raise AssertionError("it was not stopped")


report = {}
for name in sys.argv[2:]:
    report[name] = train(name, 1 + (name == "drn"))["final"]
if "drn" in report:
    train_and_stop("drn")
    continued = train("drn", 2, "stopped")
    files = (root / each / "model.keras" for each in ("drn", "stopped"))
    ours, theirs = (keras.saving.load_model(file).get_weights() for file in files)
    equal = [np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)]
    report["continued"] = {
        "at": continued["continued_at_step"],
        "weights": len(equal),
        "equal": bool(all(equal)) and continued["final"] == report["drn"],
    }
assert "tensorflow" not in sys.modules
print(json.dumps(report))
"""

# What `fit` of Keras trains on JAX in `test_jax.py`, and what `fit` does with others, holds for multi-path nets.
_LIGHT, _HEAVY = ("dmnn", "drn", "actor"), ("multipath", "ensemble", "critic")
_TERMS = {
    "multipath": ["classification_loss"],
    "ensemble": ["member_1_classification_loss", "member_2_classification_loss"],
    "dmnn": ["classification_loss", "execution_rate_loss", "flops_loss"],
    "drn": ["classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "cost_weight"],
    "actor": ["classification_loss", "computation_loss", "decisiveness_loss"],
    "critic": ["classification_loss", "regression_loss"],
}


def _report(folder: Path, names: tuple[str, ...]) -> dict:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    return json.loads(run_snippet(_TRAIN, folder, *names, backend="jax").splitlines()[-1])


def _assert_trained(folder: Path, name: str, final: dict) -> None:
    header, *rows = (folder / name / "log.csv").read_text("utf-8").splitlines()
    assert set(_TERMS[name]) <= set(header.split(","))
    assert len(rows) == 1 + (name == "drn")
    assert final["macs"] > 0 and 0 <= final["accuracy"] <= 1
    assert (folder / name / "model.keras").is_file()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jax_fit")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict:
    return _report(folder, _LIGHT)


@pytest.mark.parametrize("name", _LIGHT)
def test_a_net_of_each_family_trains_on_arrays(report: dict, folder: Path, name: str) -> None:
    _assert_trained(folder, name, report[name])


def test_gated_nets_report_what_they_execute(report: dict) -> None:
    for name in ("dmnn", "drn"):
        assert 0 < report[name]["executed_macs"]["mean"] <= report[name]["macs"]
    # Told that computation costs nothing, and more and more.
    costs = [row["computation_cost"] for row in report["actor"]["by_cost"]]
    assert costs[0] == 0.0 and costs == sorted(costs) and len(costs) == 8


def test_a_run_that_stopped_ends_as_the_uninterrupted_one_bit_for_bit(report: dict) -> None:
    # With four copies of each of the 64 images, an epoch has eight batches of 32. It stopped in the second, after a
    # call that ended at step 13, and had saved the tenth.
    assert report["continued"]["at"] == [10]
    assert report["continued"]["weights"] > 20
    assert report["continued"]["equal"]


@pytest.mark.heavy
def test_other_families_train_too(tmp_path: Path) -> None:
    report = _report(tmp_path, _HEAVY)
    for name in _HEAVY:
        _assert_trained(tmp_path, name, report[name])
