"""Trains the networks of a campaign that have no result yet, one process at a time."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tf_routing.train.campaigns.campaign_file import Campaign, Training
from tf_routing.train.campaigns.campaign_results import add_result, is_result_of


def missing_trainings(campaign: Campaign, rows: Sequence[dict[str, Any]], where: str) -> list[Training]:
    """Returns the trainings without a result that may run at a place, the most important first.

    Args:
        campaign: The campaign.
        rows: Its results so far.
        where: One of `campaign_file.PLACES`.
    """
    return [
        training
        for training in campaign.trainings
        if where in training.where and not any(is_result_of(row, training) for row in rows)
    ]


def train_missing(
    missing: Sequence[Training], file: Path, output: Path, data_dir: str | None = None, checkpoint_every: int = 100
) -> None:
    """Trains networks one after the other, and adds their results to the data file.

    Args:
        missing: What to train; a run that stopped goes on.
        file: The campaign's data file.
        output: Folder of the runs.
        data_dir: Folder of TensorFlow Datasets.
        checkpoint_every: Integer, steps between checkpoints within an epoch; 0 for none but at its end.

    Raises:
        RuntimeError: If another process trains in the folder.
    """
    with _hold_folder(output):
        for training in missing:
            _train(training, file, output, data_dir, checkpoint_every)


def _train(training: Training, file: Path, output: Path, data_dir: str | None, checkpoint_every: int) -> None:
    # Here: status answers without TensorFlow.
    import keras

    from tf_routing import data
    from tf_routing.support.hardware import hardware
    from tf_routing.train.fit import fit

    print(f"{training.comparison}: {training.label}, seed {training.seed}", flush=True)
    # What the network before left would slow this one down.
    keras.backend.clear_session()
    record = fit(
        training.model,
        data.load(training.dataset, data_dir),
        training.settings,
        output / training.folder,
        seed=training.seed,
        model_arguments=dict(training.arguments),
        checkpoint_every=checkpoint_every,
    )
    add_result(file, training, record, hardware())
    accuracy, minutes = record["final"]["accuracy"], record["processor_seconds"] / 60
    print(f"{training.label}, seed {training.seed}: accuracy {accuracy:.4f}, {minutes:.1f} processor minutes.")


@contextlib.contextmanager
def _hold_folder(output: Path) -> Iterator[None]:
    """Holds the campaign's folder: two processes would write one run.

    Raises:
        RuntimeError: If another process holds it.
    """
    output.mkdir(parents=True, exist_ok=True)
    # Released by the system when the process ends, however it ends.
    with open(output / ".lock", "w") as lock:
        if not _lock(lock):
            raise RuntimeError(f"Another process trains in {output}: wait for it, or choose another --output.")
        yield


def _lock(file: Any) -> bool:
    """Locks an open file where the system can; returns whether no other process holds it."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
