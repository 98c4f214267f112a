"""Two replicas, four in the longer checks, and two workers train to the losses and weights of one device."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.snippets import run_snippet
from tf_routing.train.distribution.launch import launch

FAMILIES = ["paths", "gated", "skipping", "actor", "critic"]
# A graph is traced once per replica: four of them, and the trees of exits, are in the heavy test.
_LIGHT = {"gated": "mirrored:2", "skipping": "mirrored:2", "paths": "mirrored:2"}
_RUN = "import sys; from tests.conformance.replica_training import main; main(*sys.argv[1:])"
_TERMS = {
    "paths": {"classification_loss"},
    "gated": {"classification_loss", "category_loss", "execution_rate_loss", "flops_loss"},
    "skipping": {"classification_loss", "consistency_loss", "diversity_loss", "cost_loss", "regularization_loss"},
    "actor": {"classification_loss", "computation_loss", "kernel_loss", "decisiveness_loss"},
    "critic": {"classification_loss", "regression_loss", "kernel_loss"},
}


def trained(folder: Path, net: str, strategy: str) -> dict[str, np.ndarray]:
    """What a run wrote down."""
    with np.load(folder / f"{net}_{strategy}.npz") as stored:
        return dict(stored)


def assert_equal(one: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    """All that was logged, all weights, optimizer and seed states."""
    assert one["moved"].max() > 1e-3
    assert others.keys() == one.keys()
    for name in one.keys() - {"moved"}:
        np.testing.assert_allclose(others[name], one[name], rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two steps in each of two epochs."""
    folder = tmp_path_factory.mktemp("replicas")
    asked = [f"{net}=one,{strategy}" for net, strategy in _LIGHT.items()]
    run_snippet(_RUN, folder, 2, "0.02", *asked)
    return folder


@pytest.mark.parametrize(("net", "strategy"), _LIGHT.items())
def test_replicas_equal_one_device(light: Path, net: str, strategy: str) -> None:
    one = trained(light, net, "one")
    assert {name.removeprefix("log ") for name in one if name.startswith("log ")} >= {"loss", "accuracy", *_TERMS[net]}
    assert_equal(one, trained(light, net, strategy))


def test_two_workers_equal_one_device(light: Path) -> None:
    asked = [str(light), "2", "0.02", "gated=multiworker"]
    command = [sys.executable, "-m", "tests.conformance.replica_training", *asked]
    assert launch(command, workers=2) == 0
    assert_equal(trained(light, "gated", "one"), trained(light, "gated", "multiworker"))


@pytest.mark.parametrize("net", ["gated", "skipping"])
def test_noise_and_adapted_state_are_among_what_is_compared(light: Path, net: str) -> None:
    one = trained(light, net, "one")
    if net == "gated":
        # Two controllers drew once a step.
        states = [each for name, each in one.items() if "seed_generator_state" in name]
        assert [int(state[1]) for state in states] == [4, 4]
    else:
        assert any("cost_weight" in name for name in one)
        assert len(np.unique(one["log cost_weight"])) == 2


# At a low rate, and of few layers: what is summed in another order differs in its last bit, which twenty large steps
# through rectifiers and batch statistics, or those of a deep net, make a bit in the fifth figure.
@pytest.mark.heavy
@pytest.mark.parametrize("net", FAMILIES)
def test_replicas_and_workers_equal_one_device_after_twenty_steps(net: str, tmp_path: Path) -> None:
    asked = [str(tmp_path), "10", "0.001"]
    run_snippet(_RUN, *asked, f"{net}=one,mirrored:2,mirrored:4")
    command = [sys.executable, "-m", "tests.conformance.replica_training", *asked, f"{net}=multiworker"]
    assert launch(command, workers=2) == 0
    one = trained(tmp_path, net, "one")
    for strategy in ("mirrored:2", "mirrored:4", "multiworker"):
        assert_equal(one, trained(tmp_path, net, strategy))


# Without synchronised batch normalisation the property fails: the comparison would see it.
@pytest.mark.heavy
def test_statistics_of_a_replica_alone_give_other_weights(tmp_path: Path) -> None:
    code = "import tests.conformance.replica_training as t; t.synchronize_batch_norm = lambda model: None; " + _RUN
    run_snippet(code, tmp_path, 2, "0.02", "paths=one,mirrored:2")
    with pytest.raises(AssertionError):
        assert_equal(trained(tmp_path, "paths", "one"), trained(tmp_path, "paths", "mirrored:2"))


@pytest.mark.heavy
def test_noise_that_replicas_draw_alone_gives_other_weights(tmp_path: Path) -> None:
    code = (
        "import keras; from tf_routing.layers.routers import controller; "
        "draw = lambda shape, low, high, seed: keras.random.uniform(shape, low, high, dtype='float32', seed=seed); "
        "controller.uniform_rows = draw; " + _RUN
    )
    run_snippet(code, tmp_path, 2, "0.02", "gated=one,mirrored:2")
    with pytest.raises(AssertionError):
        assert_equal(trained(tmp_path, "gated", "one"), trained(tmp_path, "gated", "mirrored:2"))
