"""JAX computes what TensorFlow computes, and trains, with TensorFlow nowhere to be found."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conformance.subjects import LAYERS, disturb, images, layer_batch, layer_model, small
from tests.snippets import run_snippet

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
from tests.conformance.subjects import LAYERS, images, labels, layer_batch, layer_model, many_routers, small

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


def refusal(ask):
    try:
        ask()
    except ValueError as error:
        return str(error)
    return "nothing was refused"


class NoBatches(keras.utils.PyDataset):
    num_batches = 0

    def __getitem__(self, index):
        raise IndexError(index)


def edge(name):
    # What a net makes of bytes, NaN, none and what is no image.
    model, x = small(name), images(name)
    model.compile("sgd")
    before = model.predict(x, verbose=0)
    seen = (x * 255).round().astype("uint8")
    bytes_apart = np.abs(model.predict(seen, verbose=0) - model.predict(seen / 255, verbose=0)).max()
    broken = x.copy()
    broken[1, 3, 3, 1] = np.nan
    nan = model.predict(broken, verbose=0)
    routes = model.routes(broken)
    empty = [model.predict(x[:0], verbose=0), model(x[:0]), model.predict(NoBatches(), verbose=0)]
    whole, wrong = ((each, labels()) for each in ()), ((each, labels()) for each in [x.astype("int32")])
    refused = {
        "int32": refusal(lambda: model.predict(x.astype("int32"), verbose=0)),
        "generator of int32": refusal(lambda: model.predict(wrong, verbose=0)),
        "channels first": refusal(lambda: model(np.zeros((2, 3, 16, 16), "float32"))),
        "none to fit": refusal(lambda: model.fit(x[:0], labels(0), verbose=0)),
        "no batch to evaluate": refusal(lambda: model.evaluate(NoBatches(), verbose=0)),
        "no batch of a generator": refusal(lambda: model.evaluate(whole, verbose=0)),
    }
    return {
        "bytes_apart": float(bytes_apart),
        "nan": np.isnan(nan).all(axis=1).tolist(),
        "nan_routes": [np.isnan(each).reshape(len(x), -1).all(axis=1).tolist() for each in routes.values()],
        "others_apart": float(np.abs(nan - before)[[0, 2, 3]].max()),
        "empty": [list(each.shape) for each in empty] + [list(model.cost(x[:0]).shape)],
        "empty_routes": [len(each) for each in model.routes(x[:0]).values()],
        "refused": refused,
        "cost_of_batches": model.cost((each, labels(2)) for each in (x[:2], x[2:])).tolist(),
        "cost": model.cost(x).tolist(),
        "still_there": float(np.abs(model.predict(x, verbose=0) - before).max()),
    }


deep = many_routers()
decided = deep.routes(np.random.default_rng(0).uniform(size=(5, 4, 4, 3)))
report["order"] = {"routes": list(decided), "names": deep.decision_names}
report["edge"] = {name: edge(name) for name in names if name == "basecnn_2cc"}
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
    return json.loads(run_snippet(_COMPUTE, path, *names, backend="jax").splitlines()[-1])


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


def test_jax_takes_the_same_images(report: dict) -> None:
    edge = report["edge"][NET]
    assert edge["bytes_apart"] < 1e-6 and edge["others_apart"] < 1e-6
    assert edge["nan"] == [False, True, False, False]
    assert edge["nan_routes"] == [edge["nan"]] * 5
    assert edge["empty"] == [[0, 5], [0, 5], [0, 5], [0]]
    assert edge["empty_routes"] == [0] * 5
    assert edge["cost_of_batches"] == edge["cost"] and len(edge["cost"]) == 4


def test_jax_refuses_the_same_images_and_stays_as_it_was(report: dict) -> None:
    refused = report["edge"][NET]["refused"]
    assert "or uint8" in refused["int32"] and "dtype int32" in refused["int32"]
    assert "dtype int32" in refused["generator of int32"]
    assert "np.transpose(x, (0, 2, 3, 1))" in refused["channels first"]
    assert "at least one image. Received: none" in refused["none to fit"]
    assert "at least one image. Received: none" in refused["no batch to evaluate"]
    assert "at least one batch" in refused["no batch of a generator"]
    assert report["edge"][NET]["still_there"] == 0


def test_jax_decides_in_order_of_depth(report: dict) -> None:
    assert report["order"]["names"] == [f"router_{number}" for number in range(1, 12)]
    assert report["order"]["routes"] == report["order"]["names"]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("name", "decisions", "terms"),
    [
        ("resnet20_2cp", 3, ["classification_loss"]),
        ("rich", 4, ["classification_loss"]),
        ("dmnn50_cifar_n2", 16, ["classification_loss", "category_loss", "execution_rate_loss", "flops_loss"]),
        ("short_act", 3, ["classification_loss", "ponder_loss"]),
        ("short_sact", 3, ["classification_loss", "ponder_loss"]),
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
