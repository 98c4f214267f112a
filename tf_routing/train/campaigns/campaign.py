"""`tf-routing campaign`: trains what a campaign lacks, one network at a time, and shows how far it is."""

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tf_routing.support.terminal import show
from tf_routing.train.campaigns.campaign_file import Campaign, Training, load_campaign
from tf_routing.train.campaigns.campaign_results import (
    add_result,
    check_results,
    is_result_of,
    read_results,
    results_file,
    summarize,
)


def run(arguments: argparse.Namespace) -> None:
    """Shows the campaign, or trains what it lacks."""
    campaign = load_campaign(arguments.file)
    file, output = results_file(arguments.file), Path(arguments.output or f"runs/{Path(arguments.file).stem}")
    check_results(file, read_results(file), campaign.trainings)
    if arguments.status:
        _show(campaign, file, output)
        return
    missing = missing_trainings(campaign, read_results(file), arguments.where)
    if not missing:
        print(f"Nothing is missing in {arguments.file} for where={arguments.where}.")
    with _only_one(output):
        for training in missing[: 1 if arguments.next else None]:
            _train(training, file, output, arguments)


def missing_trainings(campaign: Campaign, rows: Sequence[dict[str, Any]], where: str) -> list[Training]:
    """Returns the trainings without a result that may run at a place, the worthiest first.

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


def _train(training: Training, file: Path, output: Path, arguments: argparse.Namespace) -> None:
    # Here: status answers without TensorFlow.
    import keras

    from tf_routing import data
    from tf_routing.support.hardware import hardware
    from tf_routing.train.fit import fit
    from tf_routing.train.recipes.recipe import load_recipe

    print(f"{training.comparison}: {training.label}, seed {training.seed}", flush=True)
    # What the network before left would slow this one down.
    keras.backend.clear_session()
    record = fit(
        training.model,
        data.load(training.dataset, arguments.data_dir),
        load_recipe(training.recipe, training.scale).changed(epochs=training.epochs),
        output / training.folder,
        seed=training.seed,
        model_arguments=dict(training.arguments),
        checkpoint_every=arguments.checkpoint_every,
    )
    add_result(file, training, record, hardware())
    accuracy, minutes = record["final"]["accuracy"], record["processor_seconds"] / 60
    print(f"{training.label}, seed {training.seed}: accuracy {accuracy:.4f}, {minutes:.1f} processor minutes.")


@contextlib.contextmanager
def _only_one(output: Path) -> Iterator[None]:
    """Holds the campaign's folder: two processes would write one run.

    Raises:
        RuntimeError: If another process holds it.
    """
    output.mkdir(parents=True, exist_ok=True)
    # Released by the system when the process ends, however it ends.
    with open(output / ".lock", "w") as lock:
        if not _locked(lock):
            raise RuntimeError(f"Another process trains in {output}: wait for it, or choose another --output.")
        yield


def _locked(file: Any) -> bool:
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _show(campaign: Campaign, file: Path, output: Path) -> None:
    rows = read_results(file)
    table = Table(title=campaign.title)
    for heading in ("comparison", "network", "seeds", "accuracy", "deviation", "best", "processor minutes", "now"):
        table.add_column(heading)
    networks: dict[tuple[str, str], list[Training]] = {}
    for training in campaign.trainings:
        networks.setdefault((training.comparison, training.label), []).append(training)
    for (comparison, label), trainings in networks.items():
        found = [row for row in rows if any(is_result_of(row, training) for training in trainings)]
        seeds = f"{len(found)} of {len(trainings)}"
        table.add_row(comparison, label, seeds, *_numbers(found), _progress(trainings, found, output))
    show(table)


def _numbers(rows: Sequence[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["-"] * 4
    accuracies = summarize(rows)
    spread = "-" if accuracies.deviation is None else f"{accuracies.deviation:.4f}"
    minutes = sum(row["processor_seconds"] for row in rows) / len(rows) / 60
    return [f"{accuracies.mean:.4f}", spread, f"{accuracies.best:.4f}", f"{minutes:.1f}"]


def _progress(trainings: Sequence[Training], found: Sequence[dict[str, Any]], output: Path) -> str:
    """Returns how far the first unfinished run is that has begun."""
    from tf_routing.train.checkpoint import saved_so_far

    for training in trainings:
        folder = output / training.folder / "checkpoints"
        if folder.is_dir() and not any(is_result_of(row, training) for row in found):
            return f"seed {training.seed} at step {saved_so_far(folder).step}"
    return ""
