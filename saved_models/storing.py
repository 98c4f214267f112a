"""Writes the files of a release: weights in the fewest bytes that lose no accuracy, predictions, index and cards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cards
import keras

from tf_routing import data
from tf_routing.data import Dataset, datasets
from tf_routing.evaluation.budgets import divide_images, measure_budgets
from tf_routing.evaluation.evaluate import evaluate
from tf_routing.evaluation.results_table import release_record
from tf_routing.evaluation.stored_predictions import draw_predictions, write_predictions
from tf_routing.runs.trained_network import as_trained
from tf_routing.support.files import read_rows, whole_file, write_json
from tf_routing.support.hashes import hash_file
from tf_routing.zoo.weights.release_files import release_address
from tf_routing.zoo.weights.releases import INDEX, RELEASED, read_index
from tf_routing.zoo.weights.storage import write_small

# The wheel is to stay below 12 MB; the rest is code.
PACKAGE_BYTES = 11_000_000
# Of accuracy, for half the bytes.
LARGEST_LOSS = 0.0005
_RESULTS = ("accuracy", "top5_accuracy", "macs", "executed_macs", "execution_rate", "distinct_routes")
_BATCH = 250


class Places(NamedTuple):
    """Where a release is written: what the package holds, what stays beside it, and what is uploaded."""

    package: Path = RELEASED
    folder: Path = cards.FOLDER
    outside: Path = cards.FOLDER.parent / "dist" / "weights"
    budgets: Path = cards.BUDGETS


HERE = Places()


class TestSet:
    """The test images of released weights, as the network sees them.

    Args:
        row: A row of the index.
        data_dir: Folder of TensorFlow Datasets.

    Raises:
        FileNotFoundError: If the dataset is not prepared.
        ValueError: If its name is not known.
    """

    def __init__(self, row: dict[str, Any], data_dir: str | None) -> None:
        name = row["training"]["dataset"]
        cards.find_dataset(name)
        datasets.check(name, data_dir)
        self._record, self._dataset = release_record(row), data.load(name, data_dir)

    def measure(self, file: Path) -> dict[str, Any]:
        """Returns what the network of a file is worth, as rows of the index have it."""
        model, dataset = self._open(file)
        results = evaluate(model, dataset, _BATCH)
        return {key: results[key] for key in _RESULTS if key in results}

    def calibrate(self, file: Path, target: Path, budgets: Sequence[float] | None) -> dict[str, Any]:
        """Writes the network of a file, which then knows budgets, to another one; returns what it does at each.

        Args:
            file: A `.keras` file.
            target: Another.
            budgets: See `measure_budgets`.
        """
        model = keras.saving.load_model(file, compile=False)
        calibration, test, source = divide_images(self._dataset, model, self._record)
        results = measure_budgets(model, calibration, test, budgets, _BATCH)
        model.save(target)
        return {"calibrated_on": source, **results}

    def write_predictions(self, file: Path, path: Path) -> None:
        """Writes what the network of a file predicts for a few images."""
        write_predictions(path, draw_predictions(*self._open(file)))

    def _open(self, file: Path) -> tuple[Any, Dataset]:
        model = keras.saving.load_model(file, compile=False)
        return model, as_trained(self._dataset, model, self._record)


def store(source: Path, work: Path, tested: TestSet) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Writes a network with its kernels in float32 and in float16, and measures both.

    Args:
        source: Its `.keras` file.
        work: Folder to write to.
        tested: Its test images.

    Returns:
        The file to release, its results, and what rows of the index say as `storage`.
    """
    files, results = {}, {}
    for kind in ("float32", "float16"):
        files[kind] = work / f"{kind}.keras"
        write_small(source, files[kind], half=kind == "float16")
        results[kind] = tested.measure(files[kind])
    # Accuracies are whole numbers of images: rounding only takes off what subtracting adds.
    lost = round(results["float32"]["accuracy"] - results["float16"]["accuracy"], 9)
    kept = "float16" if lost < LARGEST_LOSS else "float32"
    sides = {kind: {"accuracy": results[kind]["accuracy"], "bytes": files[kind].stat().st_size} for kind in files}
    return files[kept], results[kept], {"kept": kept, **sides}


def place(
    row: dict[str, Any],
    source: Path,
    tested: TestSet,
    outside: bool,
    places: Places,
    budgets: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the weights of a release where they belong, and what is said of them; removes the version before.

    Args:
        row: Its row of the index, which gets the fields of the file.
        source: The file to release.
        tested: Its test images.
        outside: Boolean, whether it is left out of the package though there is room.
        places: Where to write.
        budgets: What the network does at budgets, see `TestSet.calibrate`; `None` where it knows none.
    """
    row |= {"bytes": source.stat().st_size, "sha256": hash_file(source)}
    others = [each for each in read_index(places.package) if each["name"] != row["name"] and "url" not in each]
    outside = outside or sum(each["bytes"] for each in others) + row["bytes"] > PACKAGE_BYTES
    # Each version has a file of its own: an index that is not rewritten yet still names what is there.
    row["file"] = f"{row['name']}{'' if row['version'] == 1 else '_v{}'.format(row['version'])}.keras"
    row.pop("url", None)
    if outside:
        row["url"] = row["file"]
        print(
            f"Upload {places.outside / row['file']} to {release_address() or 'an address, and set RELEASE_URL to it'}."
        )
    target = (places.outside if outside else places.package) / row["file"]
    with whole_file(target) as temporary:
        temporary.write_bytes(source.read_bytes())
    tested.write_predictions(source, places.folder / "predictions" / f"{row['name']}.npz")
    _write_budgets(row, budgets, places)
    return write_row(row, places)


def _write_budgets(row: dict[str, Any], budgets: dict[str, Any] | None, places: Places) -> None:
    """Writes what a network does at budgets instead of what its version before does, which the index still names."""
    replaced = {row["file"], *(each["file"] for each in read_index(places.package) if each["name"] == row["name"])}
    rows = [each for each in read_rows(places.budgets) if each["file"] not in replaced]
    if budgets is not None:
        found = {"model": row["architecture"], "dataset": row["training"]["dataset"], "file": row["file"], "run": {}}
        rows.append({**budgets, **found})
    write_json(places.budgets, rows)


def write_row(row: dict[str, Any], places: Places) -> dict[str, Any]:
    """Writes a row into the index, and all cards; removes files of the package that the index names no more.

    Args:
        row: The row.
        places: Where to write.
    """
    rows = {each["name"]: each for each in read_index(places.package)} | {row["name"]: row}
    write_json(places.package / INDEX, [rows[name] for name in sorted(rows)])
    for file in places.package.glob("*.keras"):
        if file.name not in {each["file"] for each in rows.values() if "url" not in each}:
            file.unlink()
    cards.write_cards(places.package, places.folder, places.budgets)
    return row
