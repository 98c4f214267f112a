"""Reads the folders of finished runs, without building a network."""

import csv
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing import exit_tree

_SHARE = re.compile(r"val_(exit_[\d_]+)_share")


class FinishedRun(NamedTuple):
    """The folder of a run, and the content of its `run.json`."""

    folder: Path
    record: dict[str, Any]

    @property
    def computation_cost(self) -> float | None:
        """The cost of a multiply-accumulate in the loss, `None` where the network is conditioned on it or has none."""
        cost = self.record["arguments"]["model_arguments"].get("computation_cost")
        return cost if isinstance(cost, (int, float)) else None


def finished_runs(folder: str) -> list[FinishedRun]:
    """Returns the run of a folder, or the runs of the folders in it, the lowest cost first.

    What has not finished is left out, with a message.

    Args:
        folder: Folder of a run, or of runs.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If a record cannot be read.
    """
    single = Path(folder, "run.json")
    files = [single] if single.exists() else sorted(Path(folder).glob("*/run.json"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no run: neither a run.json nor folders with one.")
    runs = [FinishedRun(file.parent, _read_record(file)) for file in files]
    for run in runs:
        if "final" not in run.record:
            print(f"Skipping {run.folder}: it has not finished; the command that began it continues it.")
    # Runs without a cost keep the order of their names.
    return sorted((run for run in runs if "final" in run.record), key=lambda run: run.computation_cost or 0.0)


def _read_record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if not isinstance(record, dict) or "arguments" not in record:
        raise ValueError(f"{file} is no record of a run: it has no arguments.")
    return record


def mean_executed_macs(results: Mapping[str, Any]) -> float:
    """Returns what a network executes per image, the mean over test images where it differs between them.

    Args:
        results: What a record holds as `final`.

    Example:

    >>> mean_executed_macs({"macs": 9_000, "executed_macs": {"mean": 4_000.0}}), mean_executed_macs({"macs": 9_000})
    (4000.0, 9000)
    """
    if "mean_macs" in results:
        return results["mean_macs"]
    executed = results.get("executed_macs")
    # A dict for networks that skip; for others the log holds a number under this name.
    return executed["mean"] if isinstance(executed, dict) else results["macs"]


def folder_labels(folders: Sequence[str]) -> dict[str, str]:
    """Returns for each folder its name, made readable, and with the name of the folder above where two are the same.

    Example:

    >>> folder_labels(["first/hybrid_actor", "second/hybrid_actor", "second/hybrid_tree"])["second/hybrid_actor"]
    'second hybrid actor'
    """
    paths = {folder: Path(folder).resolve() for folder in folders}
    count = Counter(path.name for path in set(paths.values()))
    return {
        folder: readable(path.name if count[path.name] == 1 else f"{path.parent.name} {path.name}")
        for folder, path in paths.items()
    }


def readable(name: str) -> str:
    """Returns a name as people write it.

    Example:

    >>> readable("hybrid_actor")
    'hybrid actor'
    """
    return name.replace("_", " ")


def label_runs(runs: dict[str, list[FinishedRun]]) -> Iterator[tuple[str, FinishedRun]]:
    """Yields runs with labels: the names of folders that were asked for, the costs of several runs in one."""
    labels = folder_labels(list(runs))
    for folder, found in runs.items():
        costs = [run.computation_cost for run in found]
        differ = None not in costs and len(set(costs)) == len(costs)
        for run, cost in zip(found, costs, strict=True):
            if run.folder == Path(folder) or costs == [None]:
                yield labels[folder], run
                continue
            name = f"cost {cost:g}" if differ else readable(run.folder.name)
            yield name if len(runs) == 1 else f"{labels[folder]}, {name}", run


def logged_shares(run: FinishedRun) -> dict[str, list[float]]:
    """Returns the share of test images that left at each exit, after each epoch; nothing for networks without exits."""
    with open(run.folder / "log.csv", newline="") as file:
        log = csv.DictReader(file)
        rows = list(log)
    columns = {found[1]: name for name in log.fieldnames or () if (found := _SHARE.fullmatch(name))}
    in_order = sorted(columns, key=lambda name: [int(part) for part in name.split("_")[1:]])
    return {name: [float(row[columns[name]]) for row in rows] for name in in_order}


def trained_tree(run: FinishedRun) -> exit_tree.Stage | exit_tree.Exit:
    """Returns the shape of a network that leaves early, as its file describes it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it describes no such network.
    """
    file = run.folder / "model.keras"
    if not file.is_file():
        raise FileNotFoundError(f"There is no trained model at {file}.")
    try:
        with zipfile.ZipFile(file) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{file} holds no Keras model.") from error
    trees = [layer["config"]["tree"] for layer in layers if "tree" in layer["config"]]
    if not trees:
        raise ValueError(f"{file} holds a network without exits.")
    return exit_tree.from_config(trees[0])
