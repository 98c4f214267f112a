"""JAX computes what TensorFlow computes, and trains, with TensorFlow nowhere to be found."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conformance.subjects import LAYERS, disturb, finish, images, layer_batch, layer_model, small, start_python

# The smallest; JAX compiles each operation of the others too, which takes it a minute or more.
NET = "basecnn_2cc"

_COMPUTE = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ImportError(f"{name} is blocked")


sys.meta_path.insert(0, Blocked())

import json

import keras
import numpy as np
from tests.conformance.subjects import LAYERS, images, labels, layer_batch, layer_model, small

# Stored weights replace what is drawn, and JAX compiles a draw for each shape.
keras.initializers.VarianceScaling.__call__ = lambda _, shape, dtype=None: np.zeros(shape, dtype)
names = sys.argv[2:]
assert keras.backend.backend() == "jax"
stored = np.load(sys.argv[1])
report = {"differences": {}, "logs": {}}


def compare(name, model, x):
    weights = [stored[f"{name}/{i}"] for i in range(len(model.weights))]
    model.set_weights(weights)
    # Compiled whole, since operations by themselves are compiled one after the other, which takes far longer.
    report["differences"][name] = float(np.abs(np.asarray(model.predict_on_batch(x)) - stored[f"{name}/y"]).max())


for name in LAYERS.keys() & names:
    compare(name, layer_model(LAYERS[name]), layer_batch(LAYERS[name]))
for name in [name for name in names if name not in LAYERS]:
    model = small(name)
    compare(name, model, images(name))
    for decision, values in model.routes(images(name)).items():
        difference = np.abs(values - stored[f"{name}/{decision}"]).max()
        report["differences"][f"{name}/{decision}"] = float(difference)
    model.compile(keras.optimizers.SGD(0.01), metrics=["accuracy"])
    before = model.get_weights()
    history = model.fit(images(name, 8), labels(8), batch_size=4, epochs=1, verbose=0).history
    moved = max(float(np.abs(a - b).max()) for a, b in zip(before, model.get_weights(), strict=True))
    evaluated = model.evaluate(images(name, 8), labels(8), batch_size=4, verbose=0, return_dict=True)
    objective = model.default_objective()
    own = {"terms": objective.names, "measured": objective.measured_names}
    report["logs"][name] = {**own, "moved": moved, "fit": history, "evaluate": evaluated}
assert "tensorflow" not in sys.modules
print(json.dumps(report))
"""


def _stored(name: str, model: keras.Model, x: object) -> dict[str, np.ndarray]:
    disturb(model)
    weights = {f"{name}/{i}": np.asarray(weight) for i, weight in enumerate(model.weights)}
    return {**weights, f"{name}/y": np.asarray(model(x, training=False))}


def _report(path: Path, names: list[str]) -> dict:
    """Differences from TensorFlow and logs of training, of layers and nets by name."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    keras.utils.set_random_seed(1)
    stored = {}
    for name in names:
        if name in LAYERS:
            stored.update(_stored(name, layer_model(LAYERS[name]), layer_batch(LAYERS[name])))
            continue
        model = small(name)
        stored.update(_stored(name, model, images(name)))
        stored.update({f"{name}/{key}": values for key, values in model.routes(images(name)).items()})
    np.savez(path, **stored)
    return json.loads(finish(start_python(_COMPUTE, path, *names, KERAS_BACKEND="jax")).splitlines()[-1])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return _report(tmp_path_factory.mktemp("jax") / "tensorflow.npz", [*LAYERS, NET])


def _assert_equal(report: dict, name: str) -> None:
    own = {key: value for key, value in report["differences"].items() if key.partition("/")[0] == name}
    assert own
    assert max(own.values()) < 1e-5, own


def _assert_trained(logs: dict) -> None:
    assert set(logs["fit"]) == {"loss", *logs["terms"], *logs["measured"], "accuracy"}
    assert logs["fit"]["loss"][0] == pytest.approx(sum(logs["fit"][term][0] for term in logs["terms"]), abs=1e-5)
    assert set(logs["evaluate"]) == set(logs["fit"])
    assert np.isfinite([*logs["evaluate"].values(), *(values[0] for values in logs["fit"].values())]).all()
    assert logs["moved"] > 1e-4


@pytest.mark.parametrize("name", [*LAYERS, NET])
def test_jax_equals_tensorflow(report: dict, name: str) -> None:
    _assert_equal(report, name)


def test_jax_trains_with_the_default_objective(report: dict) -> None:
    assert report["logs"][NET]["terms"] == ["classification_loss"]
    _assert_trained(report["logs"][NET])


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "decisions", "terms"),
    [
        ("resnet20_2cp", 3, ["classification_loss"]),
        ("rich", 4, ["classification_loss"]),
        ("dmnn50_cifar_n2", 16, ["classification_loss", "category_loss", "execution_rate_loss", "flops_loss"]),
        ("decide_chain8", 7, ["classification_loss", "computation_loss", "kernel_loss", "decisiveness_loss"]),
    ],
)
def test_jax_equals_tensorflow_and_trains_larger_nets(
    name: str, decisions: int, terms: list[str], tmp_path: Path
) -> None:
    report = _report(tmp_path / "tensorflow.npz", [name])
    assert len(report["differences"]) == decisions + 1
    _assert_equal(report, name)
    assert report["logs"][name]["terms"] == terms
    _assert_trained(report["logs"][name])
