"""Writes the cards of the released models from index.json: `python saved_models/cards.py` (`--check` only compares)."""

import json
import sys
from pathlib import Path
from typing import Any

from tf_routing import zoo
from tf_routing.support.files import whole_file
from tf_routing.support.tables import markdown_table
from tf_routing.zoo.card_fields import write_arguments, write_by_data, write_number
from tf_routing.zoo.registry import find

FOLDER = Path(__file__).parent
_RECIPE = ("epochs", "batch_size", "learning_rate", "schedule", "warmup_epochs", "momentum", "kernel_decay", "shift")
_RECIPE += ("mirror", "copies", "steps_per_epoch", "label_smoothing")
_SIDES = {
    "masked_milliseconds": "masked",
    "sparse_milliseconds": "sparse",
    "static_milliseconds": "static network",
}
_RATIOS = {"masked_to_static": "masked / static", "sparse_to_static": "sparse / static"}
_RATIOS |= {"sparse_to_masked": "sparse / masked"}
_USE = """\
Research on routing, demonstrations, tests and as a start for training of one's own. The networks are small and trained
for a short time: do not rely on them for decisions about people, and measure them on your own images before any use.
Images that are none of the classes get one of them all the same, and probabilities are not calibrated."""


def main() -> int:
    """Writes the cards; with `--check`, returns 1 if they are not what the data says."""
    if "--check" not in sys.argv[1:]:
        write_cards()
        return 0
    return int(any(not path.is_file() or path.read_text("utf-8") != text for path, text in texts().items()))


def rows() -> list[dict[str, Any]]:
    """Returns the rows of index.json, none where there is no such file."""
    index = FOLDER / "index.json"
    return json.loads(index.read_text("utf-8")) if index.is_file() else []


def write_cards() -> None:
    """Writes every card whole."""
    for path, text in texts().items():
        with whole_file(path) as temporary:
            temporary.write_text(text, "utf-8")


def texts() -> dict[Path, str]:
    """Returns what each card says, by its file."""
    datasets = json.loads((FOLDER / "datasets.json").read_text("utf-8"))
    return {FOLDER / f"{row['name']}.md": _card(row, datasets[row["training"]["dataset"]]) for row in rows()}


def _card(row: dict[str, Any], dataset: dict[str, str]) -> str:
    known, training = zoo.card(row["architecture"]), row["training"]
    sections = {
        "": f"`{row['architecture']}` of {known.reported[0].paper}, trained here on `{training['dataset']}`.\n\n"
        f"    model = zoo.get({row['architecture']!r}, weights={row['tag']!r})\n\n"
        f"It takes floats in [0, 1] of shape {tuple(row['input_shape'])}; "
        f"{'it standardises them itself' if 'standardize' in row['arguments'] else 'they are not standardised'}.",
        "Results": _table(_results(row), "on the test set", "value"),
        "Time per image": _times(row),
        "Training": _table(_training(row), "what", "value"),
        "Data": f"{dataset['about']} {dataset['caveats']}\n\nCite: {dataset['cite']}.",
        "What its paper reports": _reported(row, known),
        "Intended use and limits": "\n\n".join([_USE, *row["notes"]]),
        "Classes": ", ".join(row["class_names"]) + ".",
        "File": _table(_file(row), "what", "value"),
    }
    parts = [f"## {heading}\n\n{text}" if heading else text for heading, text in sections.items()]
    first = "<!-- Written by `python saved_models/cards.py` from index.json and datasets.json. -->"
    return "\n\n".join([first, f"# {row['name']}", *parts]) + "\n"


def _results(row: dict[str, Any]) -> dict[str, str]:
    results = row["results"]
    shown = {"accuracy": f"{results['accuracy']:.4f}, of {row['training']['test_images']:,} images, one run"}
    if "top5_accuracy" in results:
        shown["top-5 accuracy"] = f"{results['top5_accuracy']:.4f}"
    shown |= {"trainable parameters": f"{results['parameters']:,}", "MACs, masked": f"{results['macs']:,}"}
    executed = results.get("executed_macs")
    if executed:
        shown["MACs executed"] = f"{executed['mean']:,.0f} ± {executed['deviation']:,.0f} per image"
        shown["execution rate"] = f"{results['execution_rate']:.3f}"
        shown["distinct routes"] = f"{results['distinct_routes']:,}"
    return shown


def _times(row: dict[str, Any]) -> str:
    times, hardware = row["times"], row.get("hardware", {})
    if not times:
        return "Not measured for this file: `tf-routing evaluate` measures it."
    columns = {**_SIDES, **_RATIOS}
    shown = [key for key in columns if key in times[0]]
    rows = [[each["batch"], *(f"{each[key]:.2f}{' ms' if key in _SIDES else ''}" for key in shown)] for each in times]
    table = markdown_table(["batch", *(columns[key] for key in shown)], rows)
    versions = ", ".join(f"{key} {hardware[key]}" for key in ("tensorflow", "keras"))
    machine = f"{hardware['processor']}, {hardware['cores']} cores, {'' if hardware['avx512'] else 'no '}AVX-512"
    baseline = find(row["architecture"]).baseline
    beside = f" The static network is `{baseline}` of the same width." if "static_milliseconds" in times[0] else ""
    return f"{table}\nOn {machine}; {versions}. Batch normalisation is folded on all sides.{beside}"


def _training(row: dict[str, Any]) -> dict[str, str]:
    training, recipe = row["training"], row["training"]["recipe"]
    steps = recipe.get("steps_per_epoch") or training["train_images"] * recipe["copies"] // recipe["batch_size"]
    return {
        "network": write_arguments(row["arguments"], leave_out=["standardize"]),
        "recipe": f"`{recipe['name']}`: {recipe['title']}",
        **{key.replace("_", " "): str(recipe[key]) for key in _RECIPE if recipe.get(key) is not None},
        "steps": f"about {steps * recipe['epochs']:,}",
        "images": f"{training['train_images']:,}",
        "seed": str(training["seed"]),
        "minutes": f"{training['seconds'] / 60:.1f} on two CPU cores shared with other work",
        "started": training["started"],
        "versions": ", ".join(f"{key} {value}" for key, value in training["versions"].items() if key != "tf_routing"),
    }


def _reported(row: dict[str, Any], known: Any) -> str:
    reported = known.reported[0]
    errors = write_by_data(reported.error_percent) if reported.error_percent else "no error for it"
    macs = "unknown" if reported.macs is None else write_number(reported.macs)
    counts = f"{reported.trainable_parameters:,} parameters and {macs} MACs"
    return (
        f"{reported.table}: at full width {counts}; error in per cent: {errors}. The network here differs in what the "
        f"table above says of width, data and time of training, so the figures do not compare."
    )


def _file(row: dict[str, Any]) -> dict[str, str]:
    return {
        "file": f"`{row['file']}`, {row['bytes']:,} bytes",
        "SHA-256": f"`{row['sha256']}`",
        "version": str(row["version"]),
        "licence of the weights": f"{row['licence']}; for the data see above",
    }


def _table(values: dict[str, str], left: str, right: str) -> str:
    return markdown_table([left, right], values.items()).rstrip()


if __name__ == "__main__":
    sys.exit(main())
