"""Kills a training process at random moments, continues it, and compares what it leaves with a run that nobody killed.

python -m tests.train.kill_harness --kills 20 --folder /tmp/killed
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.snippets import Snippet

Start = Callable[[list[str]], Any]
"""Starts a command line, and returns what can be waited for and killed."""

WORDS = [
    "--model", "basecnn_2cc", "--width_multiplier", "0.25", "--batch_size", "128", "--epochs", "3",
    "--checkpoint_every", "2", "--deterministic", "--seed", "4",
]  # fmt: skip


PROGRAM = ["-m", "tf_routing"]
_FEW_LAYERS = """
import sys

import pytest
from tests.few_layers import few_layers
from tf_routing.cli.main import main

few_layers(pytest.MonkeyPatch())
sys.exit(main(sys.argv[1:]))
"""


def fit_command(output: Path, words: list[str], program: list[str] = PROGRAM) -> list[str]:
    """Returns the command line of a run, of what Python is to start."""
    return [sys.executable, *program, "fit", *words, "--output", str(output)]


def start_process(command: list[str]) -> Any:
    """Starts a command line."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def start_fork(command: list[str]) -> Any:
    """Starts a command line of `PROGRAM` in a fork of a process that has imported it: the same, but within a moment.

    Its networks have `few_layers`, which it compiles in half the time.
    """
    assert command[: len(PROGRAM) + 1] == [sys.executable, *PROGRAM]
    return Snippet(_FEW_LAYERS, *command[len(PROGRAM) + 1 :])


def whole_run(output: Path, words: list[str], program: list[str] = PROGRAM, start: Start = start_process) -> None:
    """Trains without a kill."""
    process = start(fit_command(output, words, program))
    process.communicate()
    if process.returncode:
        raise RuntimeError(f"The run ended with status {process.returncode}.")


def killed_run(
    output: Path,
    words: list[str],
    kills: int,
    seed: int = 0,
    program: list[str] = PROGRAM,
    start: Start = start_process,
) -> list[str]:
    """Trains, killed so many times at random moments, until it is done; returns what each piece printed."""
    draw, printed = random.Random(seed), []
    for number in range(kills + 1):
        process = start(fit_command(output, words, program))
        if number < kills:
            # Of up to three checkpoints, some right after the last of them was begun.
            _wait_for_work(process, output, checkpoints=draw.randint(0, 3))
            time.sleep(draw.choice((0.0, draw.uniform(0, 0.3))))
            process.kill()
        printed.append(process.communicate()[0])
        if process.returncode >= 0:
            break
    if process.returncode:
        raise RuntimeError(f"The run ended with status {process.returncode}:\n{printed[-1]}")
    return printed


def _wait_for_work(process: Any, output: Path, checkpoints: int) -> None:
    """Waits until a piece has written `run.json`, which is when it starts to train, and then some checkpoints."""
    last, seen = _changed(output / "run.json"), set()
    while process.poll() is None and _changed(output / "run.json") == last:
        seen = _checkpoints(output)
        time.sleep(0.01)
    while process.poll() is None and checkpoints:
        now = _checkpoints(output)
        checkpoints -= bool(now - seen)
        seen = now
        time.sleep(0.001)


def _checkpoints(output: Path) -> set[str]:
    return {path.name for path in (output / "checkpoints").glob("step_*.npz")}


def _changed(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def differences(whole: Path, killed: Path) -> list[str]:
    """Returns in what two finished runs differ, other than seconds and where one was continued."""
    found = [] if _names(whole) == _names(killed) else [f"files: {_names(whole)} and {_names(killed)}"]
    if untimed_log(whole) != untimed_log(killed):
        found.append("log.csv")
    if _record(whole) != _record(killed):
        found.append("run.json")
    newest = sorted(path.name for path in (whole / "checkpoints").glob("step_*.npz"))[-1]
    with np.load(whole / "checkpoints" / newest) as one, np.load(killed / "checkpoints" / newest) as other:
        if sorted(one.files) != sorted(other.files):
            return [*found, "names of arrays"]
        # As bytes: values that are equal may differ in their sign.
        return found + [name for name in one.files if one[name].tobytes() != other[name].tobytes()]


def _names(folder: Path) -> list[str]:
    # Events are in one file per piece.
    paths = (path.relative_to(folder) for path in folder.rglob("*") if "tensorboard" not in path.parts)
    return sorted(str(path) for path in paths if path.parts[0] != "checkpoints")


def untimed_log(folder: Path) -> list[dict[str, str]]:
    """Returns the rows of a run's log, without the time that they took."""
    with open(folder / "log.csv", newline="") as file:
        return [{k: v for k, v in row.items() if not k.endswith("_seconds")} for row in csv.DictReader(file)]


def _record(folder: Path) -> dict[str, object]:
    record = json.loads((folder / "run.json").read_text("utf-8"))
    timing = ("started", "seconds", "processor_seconds", "images_per_second", "continued_at_step")
    return {name: value for name, value in record.items() if name not in timing}


def main() -> None:
    """Runs the harness and says what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", required=True)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    whole, killed = (Path(arguments.folder, name) for name in ("whole", "killed"))
    words = [*WORDS, "--epochs", str(3 + arguments.kills)]
    whole_run(whole, words)
    printed = killed_run(killed, words, arguments.kills, arguments.seed)
    steps = json.loads((killed / "run.json").read_text("utf-8"))["continued_at_step"]
    print(f"{len(printed)} pieces, continued at steps {steps}; differences: {differences(whole, killed) or 'none'}")


if __name__ == "__main__":
    main()
