"""Evaluates many trained networks into one table of comma-separated values: the released ones, and runs."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.runs.run_record import find_record
from tf_routing.support.files import whole_file
from tf_routing.support.hashes import hash_file
from tf_routing.zoo.weights.releases import read_releases

_IDENTITY = ("name", "architecture", "dataset")
_COUNTS = ("images", "accuracy", "top5_accuracy", "parameters", "macs", "executed_macs", "execution_rate")
_TIMES = ("batch", "masked_milliseconds", "sparse_milliseconds", "static_milliseconds", "processor")
COLUMNS = (*_IDENTITY, *_COUNTS, *_TIMES, "version", "sha256")
_RUN_FILE = "run.json"


class Trained(NamedTuple):
    """A trained network that is to be evaluated.

    Args:
        name: What it is called in the table.
        architecture: A name of the zoo.
        path: Folder of its run, `None` for released weights.
        record: What is known of its training: `arguments` and `class_names` as in `run.json`.
        row: Its row of the index of released weights, empty for a run.
    """

    name: str
    architecture: str
    path: Path | None
    record: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def dataset(self) -> str:
        """Name of the dataset that it learnt."""
        return self.record["arguments"]["dataset"]

    @property
    def parameters(self) -> int:
        """How many parameters trained; some of them may be frozen by now."""
        return (self.row["results"] if self.row else self.record["final"])["parameters"]


def list_trained(runs: str | None = None) -> list[Trained]:
    """Returns the released networks and, with a folder, the finished runs in it, without building one.

    Args:
        runs: Folder of a run, or a folder that holds folders of runs, in whatever depth.

    Raises:
        FileNotFoundError: If there is no finished run in the folder.
    """
    released = [
        Trained(row["name"], row["architecture"], None, release_record(row), row)
        for row in sorted(read_releases(), key=lambda row: row["name"])
    ]
    return released + (list(_list_runs(Path(runs))) if runs is not None else [])


def _list_runs(folder: Path) -> Iterator[Trained]:
    records = {file.parent: find_record(file.parent) or {} for file in sorted(folder.rglob(_RUN_FILE))}
    finished = {path: record for path, record in records.items() if "final" in record}
    if not finished:
        raise FileNotFoundError(f"{folder} holds no finished run: {len(records)} folders with a {_RUN_FILE} in it.")
    for path, record in finished.items():
        if "model" not in record["arguments"]:
            print(f"Left out {path}: it is no network of the zoo.")
            continue
        name = path.relative_to(folder).as_posix() if path != folder else path.name
        yield Trained(name, record["arguments"]["model"], path, record, {})


def release_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the record of the run that released weights come from says of what the network sees.

    Args:
        row: A row of the index of released weights.
    """
    training = row["training"]
    framing = {"framing": training["framing"]} if "framing" in training else {}
    arguments = {**training, "model": row["architecture"], "model_arguments": row["arguments"]}
    return {"arguments": arguments, "class_names": row["class_names"], **framing}


def evaluate_trained(
    networks: Iterable[Trained], data_dir: str | None, batch_size: int, rounds: int = 0
) -> Iterator[dict[str, Any]]:
    """Yields a row of the table for each network, once it is measured on its test set.

    Args:
        networks: What `list_trained` returned.
        data_dir: Folder of TensorFlow Datasets.
        batch_size: Integer, images per forward pass.
        rounds: Integer, timed calls. Without, the times of released networks are those of their release.
    """
    from tf_routing import data
    from tf_routing.evaluation.evaluate import evaluate
    from tf_routing.runs.trained_network import as_trained

    load = cache(data.load)
    for trained in networks:
        model, file_hash = _load(trained)
        dataset = as_trained(load(trained.dataset, data_dir), model, trained.record)
        arguments = trained.record["arguments"].get("model_arguments", {})
        results = evaluate(
            model,
            dataset,
            batch_size,
            architecture=trained.architecture,
            model_arguments=arguments,
            rounds=rounds,
        )
        times = results if rounds else trained.row
        yield table_row(trained, results, times, file_hash)


def table_row(trained: Trained, results: Mapping[str, Any], timed: Mapping[str, Any], file_hash: str) -> dict[str, Any]:
    """Returns the row of a network, with `None` where there is nothing to say.

    Args:
        trained: The network.
        results: What `evaluate.evaluate` returned.
        timed: What has `times` and `hardware`, if anything; the times of the largest batch are shown.
        file_hash: SHA-256 of its file.
    """
    values: dict[str, Any] = {key: results.get(key) for key in _COUNTS} | {"parameters": trained.parameters}
    if values["executed_macs"] is not None:
        values["executed_macs"] = round(values["executed_macs"]["mean"])
    times = max(timed.get("times") or [{}], key=lambda each: each.get("batch", 0))
    values |= {key: times.get(key) for key in _TIMES}
    values["processor"] = timed["hardware"]["processor"] if times else None
    identity = dict(zip(_IDENTITY, (trained.name, trained.architecture, trained.dataset), strict=True))
    return {**identity, **values, "version": trained.row.get("version"), "sha256": file_hash}


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the table whole, one line for each row under the names of `COLUMNS`; floats have six digits."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows({key: _write_cell(value) for key, value in row.items()} for row in rows)


def _load(trained: Trained) -> tuple[Any, str]:
    if trained.path is None:
        from tf_routing import zoo

        # The way that users take.
        return zoo.get(trained.architecture, weights=trained.row["tag"]), trained.row["sha256"]
    from tf_routing.runs.trained_file import trained_file
    from tf_routing.runs.trained_network import load_trained

    return load_trained(str(trained.path))[0], hash_file(trained_file(str(trained.path)))


def _write_cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
