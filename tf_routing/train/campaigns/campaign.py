"""Trains the networks of a campaign that have no result yet, one process at a time."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_routing.support.validation import unknown
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
    missing: Sequence[Training], file: Path, output: Path, data_dir: str | None = None, **options: Any
) -> None:
    """Trains networks one after the other, and adds their results to the data file.

    Args:
        missing: What to train; a run that stopped goes on, and one that fails is left for later.
        file: The campaign's data file.
        output: Folder of the runs.
        data_dir: Folder of TensorFlow Datasets.
        **options: Of `fit`, for all trainings.

    Raises:
        ValueError: If a network does not take an argument; nothing is trained then.
        RuntimeError: If another process trains in the folder, or, after all others, if trainings failed.
    """
    # Here: status answers without TensorFlow.
    from tf_routing import data

    check_arguments(missing)

    # Those of a comparison learn one dataset, one after the other.
    @functools.lru_cache(maxsize=1)
    def load(name: str, share: float | None) -> Any:
        """Returns a dataset, without the images that are set apart."""
        dataset = data.load(name, data_dir)
        return dataset if share is None else data.calibration_split(dataset, share)[0]

    failed = []
    with _hold_folder(output):
        for training in missing:
            try:
                _train(training, load(training.dataset, training.calibration_share), file, output, options)
            except RuntimeError as error:
                print(f"{training.folder}: {error}", file=sys.stderr, flush=True)
                failed.append(training.folder)
    if failed:
        raise RuntimeError(f"No result of {', '.join(failed)}, for the reasons above.")


def _train(training: Training, dataset: Any, file: Path, output: Path, options: Mapping[str, Any]) -> None:
    # Here, as above.
    from tf_routing.support.hardware import hardware
    from tf_routing.train.planned_run import PlannedRun

    run = PlannedRun(
        f"{training.comparison}: {training.label}, seed {training.seed}",
        training.model,
        training.arguments,
        dataset,
        training.settings,
        output / training.folder,
        training.seed,
    )
    record = run.train(**options)
    add_result(file, training, record, hardware())
    accuracy, minutes = record["final"]["accuracy"], record["processor_seconds"] / 60
    print(f"{training.label}, seed {training.seed}: accuracy {accuracy:.4f}, {minutes:.1f} processor minutes.")


def check_arguments(trainings: Sequence[Training]) -> None:
    """Raises a `ValueError` if a network does not take an argument: not after hours, when it is its turn."""
    from tf_routing.zoo.registry import list_arguments

    for training in trainings:
        accepted = list_arguments(training.model)
        for name in training.arguments:
            if name not in accepted:
                wrong = unknown("argument", name, accepted)
                raise ValueError(f"{training.comparison}, {training.label}: {wrong}")


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
