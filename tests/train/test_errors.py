"""Bad weather: each trouble ends a run with a clear sentence, and leaves nothing half-written."""

import contextlib
import io
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.few_layers import few_layers
from tests.train.kill_harness import WORDS, fit_command
from tf_routing import data
from tf_routing.cli.main import main
from tf_routing.train import fit as fit_module
from tf_routing.train import networks
from tf_routing.train.callbacks import Checkpoints
from tf_routing.train.checkpoint import save_checkpoint
from tf_routing.train.errors import NotFinite
from tf_routing.train.stop_signals import StopSignals, Terminated

_SMALL = ["--model", "basecnn", "--width_multiplier", "0.125", "--batch_size", "64", "--epochs", "1"]


@pytest.fixture(autouse=True)
def _few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = data.load("digits")
    parts = {
        name: part._replace(images=part.images[:count], labels=part.labels[:count])
        for name, part, count in (("train", whole.train, 64 * 4), ("test", whole.test, 32))
    }
    monkeypatch.setattr(fit_module.data, "load", lambda name, data_dir: whole._replace(**parts))
    few_layers(monkeypatch)


def fitted(output: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main(["fit", *_SMALL, *words, "--output", str(output)])
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return status, error


def steps(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").glob("*"))


def hidden(output: Path) -> list[Path]:
    return [path for path in output.rglob(".*") if path.is_file()]


def recipe(folder: Path, rate: str) -> str:
    file = folder / "steep.toml"
    file.write_text(f'title = "Steep"\nepochs = 1\nbatch_size = 64\nlearning_rate = {rate}\n', "utf-8")
    return str(file)


def test_a_loss_that_is_not_finite_names_step_term_and_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So steep that products of two weights overflow: at less it depends on the processor whether the loss comes first.
    words = ["--recipe", recipe(tmp_path, "1e30"), "--checkpoint_every", "1"]
    status, error = fitted(tmp_path / "run", capsys, *words)
    assert status == 1
    last = steps(tmp_path / "run")[-1]
    number = int(last[len("step_") : -len(".npz")])
    assert f"Step {number + 1}: classification_loss is " in error and "loss is " in error
    assert f"The last good checkpoint is {tmp_path / 'run' / 'checkpoints' / last}" in error
    for name in steps(tmp_path / "run"):
        with np.load(tmp_path / "run" / "checkpoints" / name) as saved:
            assert all(np.isfinite(saved[each]).all() for each in saved.files if saved[each].dtype.kind == "f")
    assert not (tmp_path / "run" / "log.csv").exists()


def test_weights_that_are_not_finite_are_never_saved(tmp_path: Path) -> None:
    model = networks.zoo.get("basecnn", width_multiplier=0.125)
    model.compile("sgd")
    model.trainable_variables[-1].assign(np.full(10, np.nan, "float32"))
    with pytest.raises(NotFinite, match="Step 3: .*bias is nan. There is no checkpoint before"):
        save_checkpoint(model, tmp_path, epoch=0, step=3)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Lets a write fail beyond a size, as it does on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_does_not_fit_is_named_and_the_run_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_of_at_most(8192):
        status, error = fitted(tmp_path / "run", capsys)
    assert status == 1
    assert f"{tmp_path / 'run' / 'checkpoints' / 'step_00000004.npz'} could not be written: File too large." in error
    assert "the same command continues" in error
    assert steps(tmp_path / "run") == [] and hidden(tmp_path / "run") == []
    assert fitted(tmp_path / "run", capsys)[0] == 0


@pytest.mark.heavy
def test_a_full_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(tmp_path)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small disk")
    try:
        status, error = fitted(tmp_path / "run", capsys)
        assert (status, "No space left on device" in error) == (1, True), error
        assert hidden(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_an_output_below_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    status, error = fitted(tmp_path / "notes.txt" / "run", capsys)
    assert (status, (tmp_path / "notes.txt").read_text("utf-8")) == (1, "mine")
    assert f"{tmp_path / 'notes.txt' / 'run' / 'run.json'} could not be written: Not a directory." in error


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder where nobody may write, not even root")
def test_an_output_that_may_not_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    status, error = fitted(Path("/sys/kernel/run"), capsys)
    assert status == 1
    assert "/sys/kernel/run/run.json could not be written: " in error


def stopped_at(step: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Sends this process a signal in the middle of a step."""

    def send(callback: Any, batch: int, logs: Any = None) -> None:
        if batch + 1 == step:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(Checkpoints, "on_train_batch_begin", send)


# What the other signal does at once is in the next test.
@pytest.mark.parametrize(
    ("number", "status"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.heavy), (signal.SIGTERM, 143)]
)
def test_a_signal_saves_the_step_and_says_how_to_go_on(
    number: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        stopped_at(2, patch, number)
        found, error = fitted(tmp_path / "run", capsys)
    assert (found, steps(tmp_path / "run")) == (status, ["step_00000002.npz"])
    assert "Stopping after this step" in error
    assert f"Stopped at step 2, saved in {tmp_path / 'run'}. The same command continues." in error
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert hidden(tmp_path) == []


def test_a_second_signal_stops_at_once() -> None:
    with StopSignals() as signals, pytest.raises(KeyboardInterrupt) as stop, signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.wished()
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("not reached")
    assert stop.type is Terminated and stop.value.exit_status == 143


def test_a_wish_that_nobody_grants_stops_at_the_end() -> None:
    with StopSignals() as signals, pytest.raises(KeyboardInterrupt), signals.deferred():
        os.kill(os.getpid(), signal.SIGINT)


def test_damaged_and_foreign_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stopped_at(1, patch, signal.SIGINT)
        assert fitted(output, capsys)[0] == 130
    checkpoint, record = output / "checkpoints" / "step_00000001.npz", output / "run.json"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    status, error = fitted(output, capsys)
    assert (status, f"{checkpoint} is damaged" in error, "remove it" in error) == (1, True, True)
    with np.load(io.BytesIO(whole)) as saved:
        np.savez(checkpoint, **{**saved, "00000": np.zeros(3, "float32")})
    assert f"{checkpoint} belongs to another model" in fitted(output, capsys)[1]
    checkpoint.rename(output / "checkpoints" / "epoch_00001.npz")
    assert "checkpoints of an older version" in fitted(output, capsys)[1]
    record.write_text(record.read_text("utf-8")[:40], "utf-8")
    assert f"{record} is damaged" in fitted(output, capsys)[1]


@pytest.mark.heavy
def test_deterministic_runs_give_the_same_bits(tmp_path: Path) -> None:
    for name in ("one", "other"):
        subprocess.run(fit_command(tmp_path / name, WORDS), capture_output=True, check=True)
    newest = steps(tmp_path / "one")[-1]
    one, other = ((tmp_path / name / "checkpoints" / newest).read_bytes() for name in ("one", "other"))
    with (
        np.load(tmp_path / "one" / "checkpoints" / newest) as first,
        np.load(tmp_path / "other" / "checkpoints" / newest) as second,
    ):
        assert all(first[each].tobytes() == second[each].tobytes() for each in first.files)
    assert len(one) == len(other)
