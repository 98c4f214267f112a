"""Several seeds of a network: the folders that they get, what they come to, and that none knows of the others."""

import json
from pathlib import Path
from typing import Any

import keras
import pytest

from tests.train.kill_harness import differences
from tf_routing.cli.main import main
from tf_routing.train import fit as fit_module

_WORDS = ["fit", "--model", "basecnn", "--width_multiplier", "0.125", "--epochs", "1", "--batch_size", "256"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The folder and the seed of each training that is asked for, in place of training."""
    calls: list[tuple[str, int]] = []

    def instead(*arguments: Any, seed: int, **_: Any) -> dict[str, Any]:
        calls.append((Path(arguments[3]).relative_to(Path.cwd()).as_posix(), seed))
        return {"arguments": {}, "final": {"accuracy": 0.5 + 0.1 * len(calls)}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    return calls


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "seeds"),
    [(["--seeds", "3"], [0, 1, 2]), (["--seeds", "2", "--seed", "5"], [5, 6]), (["--seeds", "4", "0"], [4, 0])],
)
def test_each_seed_has_a_folder(
    words: list[str], seeds: list[int], asked: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*_WORDS, *words, "--output", str(Path.cwd() / "mine")]) == 0
    assert asked == [(f"mine/seed_{seed}", seed) for seed in seeds]
    printed = capsys.readouterr().out
    assert all(f"(seed {seed}, 1 epochs, 1 s)" in printed for seed in seeds)


def test_best_mean_and_deviation_of_three_seeds_by_hand(
    asked: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*_WORDS, "--seeds", "3", "--output", str(Path.cwd() / "mine")]) == 0
    found = json.loads(Path("mine/seeds.json").read_text("utf-8"))
    assert found["seeds"] == [0, 1, 2] and found["accuracies"] == pytest.approx([0.6, 0.7, 0.8])
    assert (found["best"], found["mean"], found["deviation"]) == pytest.approx((0.8, 0.7, 0.1))
    shown = "best accuracy 0.8000, mean 0.7000, sample deviation 0.1000, of 3 seeds."
    assert shown in capsys.readouterr().out


def test_every_run_of_a_recipe_has_its_first_seed_before_any_has_its_second(asked: list[tuple[str, int]]) -> None:
    Path("own.toml").write_text(
        'epochs = 1\nbatch_size = 32\nlearning_rate = 0.1\n[runs]\ndataset = "digits"\nmodel = "basecnn_2cc"\n'
        "each = { hidden = [4, 8] }\n",
        "utf-8",
    )
    assert main(["fit", "--recipe", "own.toml", "--seeds", "2", "--output", str(Path.cwd() / "mine")]) == 0
    assert [folder for folder, _ in asked] == [
        "mine/hidden_4/seed_0",
        "mine/hidden_8/seed_0",
        "mine/hidden_4/seed_1",
        "mine/hidden_8/seed_1",
    ]
    results = [json.loads(Path(f"mine/hidden_{hidden}/seeds.json").read_text("utf-8")) for hidden in (4, 8)]
    assert [each["accuracies"] for each in results] == [pytest.approx([0.6, 0.8]), pytest.approx([0.7, 0.9])]


def test_one_seed_without_the_option_writes_where_it_always_did(asked: list[tuple[str, int]]) -> None:
    assert main([*_WORDS, "--seed", "3", "--output", str(Path.cwd() / "mine")]) == 0
    assert asked == [("mine", 3)] and not Path("mine/seeds.json").exists()


def test_a_policy_that_is_set_holds_for_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    policies: list[str] = []

    def instead(*_: Any, **__: Any) -> dict[str, Any]:
        policies.append(keras.config.dtype_policy().name)
        return {"arguments": {}, "final": {"accuracy": 0.5}, "seconds": 1.0}

    monkeypatch.setattr(fit_module, "fit", instead)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert main([*_WORDS, "--seeds", "2", "--output", "mine"]) == 0
    finally:
        keras.config.set_dtype_policy(before)
    assert policies == ["mixed_bfloat16"] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "`seeds` must be a positive integer. Received: seeds=0"),
        (["--seeds", "1", "1"], "a list of different ones. Received: seed=0, seeds=[1, 1]"),
        (["--seeds", "1", "2", "--seed", "3"], "or without --seed a list of different ones. Received: seed=3"),
        (["--seeds", "1", "-2"], "`seeds` must be an integer of at least zero. Received: seeds=-2"),
        (["--seeds", "2", "--seed", "-1"], "`seed` must be an integer of at least zero. Received: seed=-1"),
    ],
)
def test_wrong_seeds_are_refused(
    words: list[str], message: str, asked: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*_WORDS, *words, "--output", "mine"]) == 1
    assert message in capsys.readouterr().err and asked == [] and not Path("mine").exists()


def test_seeds_do_not_go_where_one_was_trained(
    asked: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine").mkdir()
    Path("mine/run.json").write_text('{"arguments": {}}', "utf-8")
    assert main([*_WORDS, "--seeds", "2", "--output", "mine"]) == 1
    assert "mine holds a run of one seed: choose another --output" in capsys.readouterr().err and asked == []


@pytest.mark.heavy
def test_a_seed_in_a_row_is_the_seed_alone_and_a_row_goes_on() -> None:
    words = [*_WORDS, "--deterministic"]
    assert main([*words, "--seeds", "2", "--output", "row"]) == 0
    assert main([*words, "--seed", "1", "--output", "alone"]) == 0
    # A series is as if each were alone in its process, the names of layers included.
    assert differences(Path("alone"), Path("row/seed_1")) == []
    first = Path("row/seed_0/model.keras").stat().st_mtime_ns
    assert main([*words, "--seeds", "3", "--output", "row"]) == 0
    assert Path("row/seed_0/model.keras").stat().st_mtime_ns == first
    assert json.loads(Path("row/seeds.json").read_text("utf-8"))["seeds"] == [0, 1, 2]
