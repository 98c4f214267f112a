"""Releases trained networks: weights in the package, a row of its index, predictions that must come back, and a card.

    python saved_models/release.py run runs/cifar/drn/drn_resnet32/seed_1 --campaign campaigns/cifar.json
    python saved_models/release.py pack decide_chain8_hybrid
    python saved_models/release.py calibrate decide_chain8_hybrid --beside campaigns/cifar.json

Kernels are stored in float16 where that costs less than 0.05 points of accuracy on the test set, which is measured for
both. A file for which the package has no room goes to dist/weights: upload it to `RELEASE_URL` of
tf_routing/zoo/weights/release_files.py. `pack` stores a released file anew in fewer bytes; `calibrate` one of a
network that decides, which then knows budgets: `zoo.get(...).set_budget`.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
from storing import HERE, Places, TestSet, place, store, write_row

from tf_routing.evaluation.budgets import add_rivals
from tf_routing.runs.seeds import summarize
from tf_routing.runs.trained_file import trained_file
from tf_routing.runs.trained_network import load_trained
from tf_routing.support.files import read_rows
from tf_routing.train.campaigns.campaign_results import read_results
from tf_routing.zoo.weights.release_files import find_release_file
from tf_routing.zoo.weights.releases import read_index
from tf_routing.zoo.weights.storage import write_small

_LICENCE = "Apache-2.0"
_TRAINED = ("dataset", "train_images", "test_images", "seed", "recipe")
# Where training images were set apart.
_APART = "calibration_share"
_TRAINING = ("seconds", "processor_seconds", "started", "versions", "framing")
_OF_FILE = ("version", "file", "bytes", "sha256", "storage", "url")


class Options(NamedTuple):
    """What to release a run as.

    Args:
        tag: What `zoo.get` takes as `weights`; the dataset's name where not given.
        campaign: JSON file of the results of its campaign, for the other seeds.
        evaluated: JSON file that `tf-routing evaluate` wrote, for times.
        note: What to know about these weights.
        data_dir: Folder of TensorFlow Datasets.
        outside: Boolean, whether the file is left out of the package in any case.
    """

    tag: str | None = None
    campaign: str | None = None
    evaluated: str | None = None
    note: tuple[str, ...] | list[str] = ()
    data_dir: str | None = None
    outside: bool = False


def main() -> None:
    """Releases what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data_dir", help="folder of TensorFlow Datasets; TFDS_DATA_DIR where not given")
    for add in (_add_run, _add_pack, _add_calibrate):
        add(commands, shared)
    given = vars(parser.parse_args())
    row = given.pop("place")(**given)
    kept = row.get("storage", {}).get("kept", "float32")
    print(f"{row['name']}, version {row['version']}: {row['file']}, {row['bytes']:,} bytes, kernels in {kept}.")


def _add_run(commands: Any, shared: argparse.ArgumentParser) -> None:
    command = commands.add_parser("run", parents=[shared], help="release a finished run, or describe its release anew")
    command.add_argument("run", help="its folder")
    command.add_argument("--tag", help="what `zoo.get` takes as `weights`, without '/'; the dataset where not given")
    command.add_argument("--campaign", help="JSON file of the campaign's results: the card shows all seeds")
    command.add_argument("--evaluated", help="JSON file of `tf-routing evaluate`: the card shows its times")
    about = "what to know about these weights; may be repeated"
    command.add_argument("--note", action="append", default=[], help=about)
    command.add_argument("--outside", action="store_true", help="leave the file out of the package in any case")
    command.set_defaults(place=lambda run, **options: release(run, Options(**options)))


def _add_pack(commands: Any, shared: argparse.ArgumentParser) -> None:
    command = commands.add_parser("pack", parents=[shared], help="store released weights anew, in fewer bytes")
    command.add_argument("name", help="their name in the index")
    command.set_defaults(place=pack)


def _add_calibrate(commands: Any, shared: argparse.ArgumentParser) -> None:
    about = "calibrate released weights of a network that decides, which then knows budgets"
    command = commands.add_parser("calibrate", parents=[shared], help=about)
    command.add_argument("name", help="their name in the index")
    command.add_argument("--budgets", type=float, nargs="+", help="shares of the static cost; five where not given")
    about = "JSON files of trainings, to name a static network as accurate at each budget"
    command.add_argument("--beside", metavar="FILE", nargs="+", default=[], help=about)
    command.set_defaults(place=calibrate)


def release(run: str, options: Options, places: Places = HERE) -> dict[str, Any]:
    """Releases a finished run, or describes the release of it anew.

    Args:
        run: Its folder.
        options: What to release it as.
        places: Where to write.

    Returns:
        Its row of the index.

    Raises:
        FileNotFoundError: If there is no finished run.
        ValueError: If its dataset or its campaign is not known.
    """
    model, record = load_trained(run)
    row = _describe(model, record, options)
    tested = TestSet(row, options.data_dir)
    released = {each["name"]: each for each in read_index(places.package)}.get(row["name"])
    if released and released["training"]["started"] == record["started"]:
        # The same weights: what users hold stays what the index names.
        row |= {key: released[key] for key in _OF_FILE if key in released}
        row["results"] |= tested.measure(find_release_file({**row, "folder": places.package}))
        return write_row(row, places)
    row["version"] = released["version"] + 1 if released else 1
    with tempfile.TemporaryDirectory() as work:
        # Without what the optimizer gathered, which is two thirds of a run's file.
        bare = Path(work, "bare.keras")
        keras.saving.load_model(trained_file(run), compile=False).save(bare)
        return _store(row, bare, tested, options.outside, places)


def pack(name: str, data_dir: str | None = None, places: Places = HERE) -> dict[str, Any]:
    """Stores a released file anew, in fewer bytes, as its next version.

    Args:
        name: A name of the index.
        data_dir: Folder of TensorFlow Datasets.
        places: Where it is.

    Returns:
        Its row of the index.

    Raises:
        ValueError: If there is no such name.
    """
    row = _next_version(name, places)
    budgets = next((each for each in read_rows(places.budgets) if each["file"] == row["file"]), None)
    file = find_release_file({**row, "folder": places.package})
    return _store(row, file, TestSet(row, data_dir), False, places, budgets)


def _knows_budgets(file: Path) -> bool:
    model = keras.saving.load_model(file, compile=False)
    if not getattr(model, "budgets", None):
        return False
    try:
        model.set_budget(model.budgets[0].budget)
    except ValueError:
        return False
    return True


def calibrate(
    name: str,
    budgets: Sequence[float] | None = None,
    beside: Sequence[str] = (),
    data_dir: str | None = None,
    places: Places = HERE,
) -> dict[str, Any]:
    """Calibrates released weights to budgets, which go into their next version and the data that cards show.

    Args:
        name: A name of the index.
        budgets: Shares of the static cost; five where not given.
        beside: JSON files of trainings, to name the cheapest static network as accurate at each budget.
        data_dir: Folder of TensorFlow Datasets.
        places: Where it is.

    Returns:
        Its row of the index.

    Raises:
        ValueError: If there is no such name, or the network decides nothing.
    """
    row = _next_version(name, places)
    tested = TestSet(row, data_dir)
    rivals = [each for file in beside for each in json.loads(Path(file).read_text("utf-8"))]
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "calibrated.keras")
        results = tested.calibrate(find_release_file({**row, "folder": places.package}), file, budgets)
        add_rivals(results, rivals, row["training"]["dataset"])
        # What is stored in float16 was rounded when it was first: the weights that were calibrated stay as they are.
        write_small(file, file, half=row["storage"]["kept"] == "float16")
        return place(row, file, tested, False, places, results)


def _next_version(name: str, places: Places) -> dict[str, Any]:
    rows = {each["name"]: each for each in read_index(places.package)}
    if name not in rows:
        raise ValueError(f"`name` must be one of {', '.join(rows)}. Received: {name!r}")
    return {**rows[name], "version": rows[name]["version"] + 1}


def _store(
    row: dict[str, Any],
    source: Path,
    tested: TestSet,
    outside: bool,
    places: Places,
    budgets: dict[str, Any] | None = None,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        file, results, row["storage"] = store(source, Path(work), tested)
        row["results"] = {**row["results"], **results}
        # It knows them if rounding moved no weight of those that they were found for.
        kept = budgets if budgets and _knows_budgets(file) else None
        return place(row, file, tested, outside, places, kept)


def _describe(model: Any, record: dict[str, Any], options: Options) -> dict[str, Any]:
    """Returns the row of a run, but for what is measured and what is said of the file."""
    run = record["arguments"]
    tag = options.tag or run["dataset"].replace("/", "_")
    if "/" in tag:
        raise ValueError(f"`tag` must hold no '/': it would be taken for a path. Received: tag={tag!r}")
    standardize = _standardization(model)
    evaluated = json.loads(Path(options.evaluated).read_text("utf-8")) if options.evaluated else {}
    campaign, machine = _find_seeds(options.campaign, record)
    training = {key: run[key] for key in _TRAINED} | {key: record[key] for key in _TRAINING if key in record}
    training |= {_APART: run[_APART]} if run.get(_APART) is not None else {}
    return {
        "name": f"{run['model']}_{tag}",
        "architecture": run["model"],
        "tag": tag,
        "version": 1,
        "licence": _LICENCE,
        "classes": model.output_shape[-1],
        "class_names": record["class_names"],
        "input_shape": list(model.input_shape[1:]),
        "arguments": {**run["model_arguments"], **({"standardize": standardize} if standardize else {})},
        "results": {"parameters": record["final"]["parameters"]},
        "times": evaluated.get("times", []),
        "hardware": evaluated.get("hardware", {}),
        "training": training | machine,
        "notes": list(options.note),
        **campaign,
    }


def _standardization(model: Any) -> list[list[float]] | None:
    """Means and deviations that the network takes off its images, as `zoo.get` is given them."""
    layers = [layer for layer in model.layers if layer.name == "standardize"]
    if not layers:
        return None
    config = layers[0].get_config()
    return [config["mean"], [each**0.5 for each in config["variance"]]]


def _find_seeds(file: str | None, record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what a campaign says of all seeds of a network, and of the machine of this one; nothing without one."""
    if file is None:
        return {}, {}
    rows = read_results(Path(file))
    mine = [
        row
        for row in rows
        if (row["started"], row["model"], row["seed"])
        == (record["started"], record["arguments"]["model"], record["arguments"]["seed"])
    ]
    if not mine:
        raise ValueError(f"`campaign` must hold the result of the run that began {record['started']}. Received: {file}")
    network = (mine[0]["comparison"], mine[0]["label"])
    seeds = sorted((row for row in rows if (row["comparison"], row["label"]) == network), key=lambda row: row["seed"])
    campaign = {
        "comparison": network[0],
        "label": network[1],
        "seeds": [row["seed"] for row in seeds],
        "accuracies": [row["final"]["accuracy"] for row in seeds],
        **{key: value for key, value in summarize(seeds)._asdict().items() if key != "best"},
    }
    return {"campaign": campaign}, {"machine": mine[0]["machine"]}


if __name__ == "__main__":
    main()
