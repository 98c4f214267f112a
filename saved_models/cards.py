"""Writes the cards of the released models: `python saved_models/cards.py` (`--check` only compares)."""

import json
import sys
from pathlib import Path
from typing import Any

from tf_routing import zoo
from tf_routing.exporting.assets.front_matter import write_front_matter
from tf_routing.support.files import read_rows, whole_file
from tf_routing.support.tables import markdown_table
from tf_routing.train.recipes.recipe import load_recipe
from tf_routing.zoo.card_fields import BUDGET_COLUMNS, budget_cells, write_arguments, write_by_data, write_number
from tf_routing.zoo.registry import find
from tf_routing.zoo.weights.releases import RELEASED, read_index

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
Research on routing, demonstrations, tests and as a start for training of one's own. Do not rely on them for decisions
about people, and measure them on your own images before any use. Images that are none of the classes get one of them
all the same, and probabilities are not calibrated."""


BUDGETS = Path(zoo.__file__).parent / "budgets.json"


def main() -> int:
    """Writes the cards; with `--check`, returns 1 if they are not what the data says."""
    if "--check" not in sys.argv[1:]:
        write_cards()
        return 0
    stale = [str(path) for path, text in texts().items() if not path.is_file() or path.read_text("utf-8") != text]
    if stale:
        print(
            f"Not what the data says, until `python saved_models/cards.py` is run: {', '.join(stale)}", file=sys.stderr
        )
    return int(bool(stale))


def write_cards(index_folder: Path = RELEASED, folder: Path = FOLDER, budgets: Path = BUDGETS) -> None:
    """Writes every card whole.

    Args:
        index_folder: Folder of the index that lists the weights.
        folder: Where the cards go.
        budgets: JSON file of what networks do at budgets.
    """
    for path, text in texts(index_folder, folder, budgets).items():
        with whole_file(path) as temporary:
            temporary.write_text(text, "utf-8")


def texts(index_folder: Path = RELEASED, folder: Path = FOLDER, budgets: Path = BUDGETS) -> dict[Path, str]:
    """Returns what each card says, by its file; see `write_cards`."""
    calibrated = {run["file"]: run for run in read_rows(budgets)}
    return {
        folder / f"{row['name']}.md": _card(row, find_dataset(row["training"]["dataset"]), calibrated.get(row["file"]))
        for row in read_index(index_folder)
    }


def find_dataset(name: str) -> dict[str, str]:
    """Returns what cards say of a dataset.

    Raises:
        ValueError: If datasets.json says nothing of it.
    """
    datasets = json.loads((FOLDER / "datasets.json").read_text("utf-8"))
    if name not in datasets:
        raise ValueError(f"datasets.json says nothing of {name!r}, which a card must: add it to {FOLDER}.")
    return datasets[name]


def _card(row: dict[str, Any], dataset: dict[str, str], calibrated: dict[str, Any] | None) -> str:
    known, training = zoo.card(row["architecture"]), row["training"]
    sections = {
        "": f"`{row['architecture']}` of {known.reported[0].paper}, trained here on `{training['dataset']}`.\n\n"
        f"    model = zoo.get({row['architecture']!r}, weights={row['tag']!r})\n\n"
        f"It takes floats in [0, 1] of shape {tuple(row['input_shape'])}; "
        f"{'it standardises them itself' if 'standardize' in row['arguments'] else 'they are not standardised'}.",
        "Results": _table(_results(row), "on the test set", "value"),
        **_budgets(calibrated),
        "Time per image": _times(row),
        "Training": _table(_training(row), "what", "value"),
        "Data": f"{dataset['about']} {dataset['caveats']}\n\nCite: {dataset['cite']}.",
        "What its paper reports": _reported(row, known),
        "Intended use and limits": "\n\n".join([_USE, *row["notes"]]),
        "Classes": ", ".join(row["class_names"]) + ".",
        "File": _table(_file(row), "what", "value"),
    }
    parts = [f"## {heading}\n\n{text}" if heading else text for heading, text in sections.items()]
    first = "<!-- Written by `python saved_models/cards.py` from the index and datasets.json. -->"
    page = "\n\n".join([first, f"# {row['name']}", *parts]) + "\n"
    return f"{write_front_matter(_facts(row, known.family), form=('keras',))}\n{page}"


def _facts(row: dict[str, Any], family: str) -> dict[str, Any]:
    """What the hub is told, by the names that exports use."""
    return {
        "name": row["name"],
        "architecture": {"family": family, "name": row["architecture"]},
        "license": row["licence"].lower(),
        "training": {
            "dataset": row["training"]["dataset"],
            **{f"final {key}": value for key, value in row["results"].items()},
        },
    }


def _results(row: dict[str, Any]) -> dict[str, str]:
    results = row["results"]
    shown = {"accuracy": f"{results['accuracy']:.4f}, of {row['training']['test_images']:,} images"}
    seeds = row.get("campaign", {"seeds": []})
    if len(seeds["seeds"]) > 1:
        shown[f"accuracy, mean of {len(seeds['seeds'])} seeds"] = f"{seeds['mean']:.4f} ± {seeds['deviation']:.4f}"
    if "top5_accuracy" in results:
        shown["top-5 accuracy"] = f"{results['top5_accuracy']:.4f}"
    shown |= {"trainable parameters": f"{results['parameters']:,}", "MACs, masked": f"{results['macs']:,}"}
    executed = results.get("executed_macs")
    if executed:
        shown["MACs executed"] = f"{executed['mean']:,.0f} ± {executed['deviation']:,.0f} per image"
        if "execution_rate" in results:
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


def _budgets(run: dict[str, Any] | None) -> dict[str, str]:
    """Returns the section on budgets; none where this file was not calibrated, as those before it may have been."""
    if run is None:
        return {}
    middle = run["budgets"][len(run["budgets"]) // 2]["budget"]
    about = (
        f"{run['calibrated_on']} Budgets are shares of the static cost, which the network knows: "
        f"`model.set_budget({middle:.4g})`, or any share between two of them."
    )
    table = markdown_table(BUDGET_COLUMNS, [budget_cells(each) for each in run["budgets"]])
    return {"Cost on request": f"{about}\n\n{table.rstrip()}"}


def _training(row: dict[str, Any]) -> dict[str, str]:
    training, recipe = row["training"], row["training"]["recipe"]
    steps = recipe.get("steps_per_epoch") or training["train_images"] * recipe["copies"] // recipe["batch_size"]
    return {
        "network": write_arguments(row["arguments"], leave_out=["standardize"]),
        "recipe": f"`{recipe['name']}`: {recipe['title']}",
        **{key.replace("_", " "): str(recipe[key]) for key in _RECIPE if recipe.get(key) is not None},
        "images": f"{training['train_images']:,}",
        "seed": _seeds(row),
        "training budget": f"{recipe['epochs']} epochs, about {steps * recipe['epochs']:,} steps, {_time(training)}",
        "started": training["started"],
        "versions": ", ".join(f"{key} {value}" for key, value in training["versions"].items() if key != "tf_routing"),
    }


def _seeds(row: dict[str, Any]) -> str:
    seed = row["training"]["seed"]
    if "campaign" not in row:
        return f"{seed}, the only one"
    accuracies = dict(zip(row["campaign"]["seeds"], row["campaign"]["accuracies"], strict=True))
    others = ", ".join(f"{other} ({accuracy:.4f})" for other, accuracy in accuracies.items() if other != seed)
    best = "the best on the test set" if accuracies[seed] == max(accuracies.values()) else "not the best"
    return f"{seed}, {best}; others: {others}" if others else f"{seed}, the only one"


def _time(training: dict[str, Any]) -> str:
    minutes = f"{training['seconds'] / 60:,.1f} minutes"
    if "processor_seconds" in training:
        minutes += f" ({training['processor_seconds'] / 60:,.1f} processor minutes)"
    if "machine" in training:
        machine = training["machine"]
        return f"{minutes} on {machine.get('accelerator') or machine['processor']}, {machine['cores']} cores"
    return f"{minutes} on {training['trained_on']}" if "trained_on" in training else minutes


def _reported(row: dict[str, Any], known: Any) -> str:
    reported = known.reported[0]
    errors = write_by_data(reported.error_percent) if reported.error_percent else "no error for it"
    macs = "unknown" if reported.macs is None else write_number(reported.macs)
    counts = f"{reported.trainable_parameters:,} parameters and {macs} MACs"
    return f"{reported.table}: at full width {counts}; error in per cent: {errors}. {_compare(row, known)}"


def _compare(row: dict[str, Any], known: Any) -> str:
    """What else than the paper's the training was, since figures compare only where nothing was."""
    recipe, width = row["training"]["recipe"], row["arguments"].get("width_multiplier", 1.0)
    here = f"recipe `{recipe['name']}`, {recipe['epochs']} epochs of {row['training']['train_images']:,} images"
    here += "" if width == 1 else f", {width:g} of the width"
    if known.recipe is None:
        return f"Here: {here}. The figures do not compare."
    paper = load_recipe(known.recipe, "paper")
    if (recipe["name"], recipe["epochs"], width) == (paper.name, paper.epochs, 1):
        return f"Here: {here}, as in the paper's recipe."
    return f"Here: {here}; the paper's recipe is `{paper.name}`, {paper.epochs} epochs. The figures do not compare."


def _file(row: dict[str, Any]) -> dict[str, str]:
    where = "fetched when it is asked for" if row.get("url") else "comes with the package"
    return {
        "file": f"`{row['file']}`, {row['bytes']:,} bytes, {where}",
        **_storage(row),
        "SHA-256": f"`{row['sha256']}`",
        "version": str(row["version"]),
        "licence of the weights": f"{row['licence']}; for the data see above",
    }


def _storage(row: dict[str, Any]) -> dict[str, str]:
    if "storage" not in row:
        return {}
    measured = {key: row["storage"][key] for key in ("float32", "float16")}
    accuracies = ", ".join(f"{each['accuracy']:.4f} in {key}" for key, each in measured.items())
    return {"kernels stored in": f"{row['storage']['kept']}; accuracy {accuracies}"}


def _table(values: dict[str, str], left: str, right: str) -> str:
    return markdown_table([left, right], values.items()).rstrip()


if __name__ == "__main__":
    sys.exit(main())
