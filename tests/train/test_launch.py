"""Workers start with addresses of their own, and end together."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from tests.conformance.subjects import ROOT, start_python
from tf_routing.cli.main import main
from tf_routing.train.distribution.launch import _free_ports, _print_lines, launch
from tf_routing.train.distribution.tf_config import tf_config

_CONFIG = "import json, os, sys, time, signal; config = json.loads(os.environ['TF_CONFIG']); "
_INDEX = _CONFIG + "index = config['task']['index']; "


def command(code: str) -> list[str]:
    """A Python process that knows its `config`, and which worker it is."""
    return [sys.executable, "-c", _INDEX + code]


def _first_fails_second(first: str, folder: Path, last: str = "pass") -> str:
    """Worker 0 does something and sleeps; then worker 1 fails."""
    ready = str(folder / "ready")
    zero = f"{first}; open({ready!r}, 'w'); time.sleep(60); {last}"
    one = f"\nwhile not os.path.exists({ready!r}): time.sleep(0.05)\nsys.exit(3)"
    return f"exec({zero!r} if index == 0 else {one!r})"


def test_every_worker_gets_the_same_addresses_and_its_own_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(command("print(json.dumps(config))"), workers=3) == 0
    printed = sorted(capsys.readouterr().out.splitlines())
    configs = [json.loads(line.removeprefix(f"[worker {index}] ")) for index, line in enumerate(printed)]
    assert [config["task"] for config in configs] == [{"type": "worker", "index": index} for index in range(3)]
    addresses = configs[0]["cluster"]["worker"]
    assert all(config["cluster"]["worker"] == addresses for config in configs)
    assert len(set(addresses)) == 3 and all(each.startswith("127.0.0.1:") for each in addresses)


def test_when_one_fails_the_others_are_asked_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    polite = "signal.signal(signal.SIGTERM, lambda *_: (print('asked'), sys.exit(5)))"
    assert launch(command(_first_fails_second(polite, tmp_path)), workers=2) == 3
    assert "[worker 0] asked" in capsys.readouterr().out


def test_who_does_not_stop_is_ended_after_a_while(tmp_path: Path) -> None:
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = _first_fails_second(deaf, tmp_path, f"open({str(tmp_path / 'slept')!r}, 'w')")
    assert launch(command(code), workers=2, patience=0.3) == 3
    assert not (tmp_path / "slept").exists()


def test_a_worker_that_a_signal_ends_is_a_failure() -> None:
    assert launch(command("os.kill(os.getpid(), signal.SIGKILL) if index else time.sleep(60)"), workers=2) == 128 + 9


def test_lines_of_workers_are_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Output(io.StringIO):
        """Keeps what comes in one piece."""

        pieces: ClassVar[list[str]] = []

        def write(self, text: str) -> int:
            self.pieces.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Output())
    _print_lines(1, io.StringIO("first\nsecond\n"))
    assert [piece for piece in Output.pieces if piece] == ["[worker 1] first\n", "[worker 1] second\n"]


def test_ctrl_c_reaches_every_worker_once() -> None:
    counts = "received = []; signal.signal(signal.SIGINT, lambda *_: received.append(1)); print('ready', flush=True)"
    waits = "\nwhile not received: time.sleep(0.05)\ntime.sleep(0.5); print('received', len(received)); sys.exit(130)"
    start = "import sys; from tf_routing.train.distribution.launch import launch"
    code = f"{start}; sys.exit(launch({command(counts + waits)!r}, 2))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    assert {process.stdout.readline() for _ in range(2)} == {"[worker 0] ready\n", "[worker 1] ready\n"}
    process.send_signal(signal.SIGINT)
    assert sorted(process.stdout.read().splitlines()) == ["[worker 0] received 1", "[worker 1] received 1"]
    assert process.wait() == 130


def test_the_program_runs_tf_routing_with_the_words_behind_the_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--workers", "2", "--", "list", "resnet20_2cc"]) == 0
    printed = capsys.readouterr().out
    assert all(f"[worker {index}] " in printed for index in (0, 1)) and printed.count("resnet20_2cc") == 2


def test_there_must_be_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--workers", "0", "--", "list"]) == 1
    error = "tf-routing launch: `workers` must be a positive integer. Received: workers=0\n"
    assert capsys.readouterr().err == error


def test_the_program_ends_as_the_first_worker_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--", "list", "--no-such-option"]) == 2
    assert "--no_such_option is not known here" in capsys.readouterr().out


_TRAIN = """
import sys
import keras
from tests.conformance.replica_training import NETS, trained
from tf_routing.train.distribution.lost_workers import explain_lost_workers
from tf_routing.train.distribution.strategies import open_strategy

strategy = open_strategy("multiworker")
print("meets", flush=True)
try:
    with explain_lost_workers(strategy):
        trained("paths", strategy, steps=1_000_000, callbacks=[keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: print("step", flush=True)
        )])
except RuntimeError as error:
    sys.exit(str(error))
"""


@pytest.mark.heavy
@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_whose_other_is_killed_says_so_within_a_minute(killed: int) -> None:
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    workers = [start_python(_TRAIN, TF_CONFIG=tf_config(addresses, index)) for index in range(2)]
    victim, survivor = workers[killed], workers[1 - killed]
    assert victim.stdout is not None
    while (line := victim.stdout.readline()) != "step\n":
        assert line, "ended before the first step"
    victim.kill()
    _, errors = survivor.communicate(timeout=60)
    victim.communicate()
    assert survivor.returncode == 1
    assert "A worker is gone, and with it this run of 2 workers" in errors.splitlines()[-1]
    assert "continue at the last checkpoint" in errors.splitlines()[-1]
