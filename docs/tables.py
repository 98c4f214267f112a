"""Writes the tables of docs/ from data files: `python docs/tables.py` (`--check` only compares)."""

import csv
import dataclasses
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from api_tables import API_PAGES, api_list
from campaign_tables import campaigns_table
from claims_tables import claims_rule, claims_table
from data_files import NOTHING_YET
from install_tables import installs_table
from network_tables import families_table, own_networks_table
from papers_tables import FAMILIES, PAPERS, reported_table, reproduced_table
from route_tables import evaluated_table, skipping_runs_table
from runtime_tables import (
    cascades_table,
    deployment_table,
    equal_accuracy_table,
    headline,
    lite0_exits_table,
    lite0_photographs_table,
    onnx_skipping_table,
    own_cifar10_table,
    quantized_table,
    xla_skipping_table,
)
from speed_tables import (
    cold_start_table,
    compiled_steps_table,
    determinism_table,
    exports_table,
    leaving_table,
    normalization_table,
    skipping_table,
    training_table,
)

from tf_routing import zoo
from tf_routing.support.files import whole_file
from tf_routing.support.tables import markdown_table
from tf_routing.train.recipes.recipe import Recipe
from tf_routing.train.recipes.recipe_fields import RecipeField, recipe_fields
from tf_routing.zoo.card_fields import write_arguments, write_size
from tf_routing.zoo.cards import ReportedRow, read_data
from tf_routing.zoo.weights.releases import RELEASED, read_index

ROOT = Path(__file__).parent.parent
PAGES = tuple(
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "\n<!-- /" in path.read_text("utf-8")
)


def main() -> int:
    """Rewrites the tables; with `--check`, returns 1 if they are not what the data says."""
    pages = {page: page.read_text("utf-8") for page in PAGES}
    wanted = {page: _replace_tables(text) for page, text in pages.items()}
    if "--check" in sys.argv[1:]:
        stale = [str(page) for page, text in pages.items() if text != wanted[page]]
        if stale:
            print(f"Not what the data says, until `python docs/tables.py` is run: {', '.join(stale)}", file=sys.stderr)
        return int(bool(stale))
    for page, text in wanted.items():
        with whole_file(page) as temporary:
            temporary.write_text(text, "utf-8")
    return 0


def _replace_tables(text: str) -> str:
    pattern = r"(<!-- (\w+): [^\n]*-->\n).*?(<!-- /\2 -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{_TABLES[match[2]]()}{match[3]}", text, flags=re.DOTALL)


def _zoo_table() -> str:
    rows = []
    for name in zoo.list_models():
        reported = zoo.card(name).reported
        if not reported:
            raise ValueError(f"{name!r} has no row in tf_routing/zoo/reported.json, which this table shows: add one.")
        row = reported[0]
        error = _write_reported_error(row) + _write_needed(reported)
        rows.append([f"`{name}`", write_size(row.input_shape), f"{row.trainable_parameters:,}", f"{row.macs:,}", error])
    return markdown_table(["name", "input", "parameters", "MACs", "reported error"], rows)


def _write_reported_error(row: ReportedRow) -> str:
    """The error on the paper's first dataset, after its longest schedule, at its largest rate, of one crop."""
    data = {
        1000: "ImageNet",
        200: "Tiny-ImageNet",
        100: "100 classes of ImageNet" if row.input_shape[0] == 224 else "CIFAR-100",
        10: "CIFAR-10",
    }
    if row.operating_points:
        last = row.operating_points[-1]
        return f"{last['error']:.2f} ({data[row.classes]}, rate {last['rate']})"
    # Rows of a comparison hold what stands beside the network too.
    names = ["drn"] if "drn" in row.error_percent else list(row.error_percent)
    if isinstance(row.executed_blocks, dict):
        blocks = row.executed_blocks[names[0]]
        return f"{row.error_percent[names[0]]:.2f} ({data[row.classes]}, {blocks} blocks executed)"
    first = [name for name in names if name.split("_")[0] == names[0].split("_")[0] and "10crop" not in name]
    return f"{row.error_percent[first[-1]]:.2f} ({data[row.classes]})" if first else "-"


def _write_needed(reported: list[ReportedRow]) -> str:
    """What the error was reached with that the default arguments lack, and the one without it where there is one."""
    needed = " and ".join(reported[0].needs or ())
    if not needed:
        return ""
    without = [row for row in reported if row.arguments == {"use_category": False}]
    return f" with {needed}" + "".join(f"; {row.error_percent['imagenet_top1']:.2f} without" for row in without)


def _measured_table() -> str:
    headings = ["name", "arguments", "dataset", "recipe", "width", "epochs", "seed", "test accuracy", "minutes"]
    rows = [[_write_cell(run, heading) for heading in headings] for run in read_data("measured.json")]
    return markdown_table(headings, rows) if rows else NOTHING_YET


def _write_cell(run: dict[str, Any], heading: str) -> str:
    special = {
        "name": lambda: f"`{run['model']}`",
        "arguments": lambda: write_arguments(run["model_arguments"], leave_out=["width_multiplier"]),
        "test accuracy": lambda: f"{run['accuracy']:.4f}",
        "width": lambda: f"x {run['model_arguments']['width_multiplier']}",
        "minutes": lambda: f"{run['seconds'] / 60:.1f}",
    }
    return special[heading]() if heading in special else str(run[heading])


def _early_exits_table() -> str:
    """Error and operations of the networks that recipes of leaving early trained."""
    runs = [run for run in read_data("measured.json") if run["recipe"].startswith("decide/")]
    rows = [
        [
            f"`{run['model']}`",
            *_write_learning(run["model_arguments"]),
            f"{100 * (1 - run['accuracy']):.2f}",
            f"{run.get('mean_macs', run['macs']):,.0f}",
            f"{run['seconds'] / 60:.1f}",
        ]
        for run in runs
    ]
    learning = ["strategy", "computation cost", "half-life of the temperature"]
    headings = ["network", *learning, "error, %", "mean operations", "minutes"]
    return markdown_table(headings, rows) if rows else NOTHING_YET


def _released_table() -> str:
    """What `tf-routing evaluate --all` wrote of the released networks."""
    headings = ["network", "weights", "test accuracy", "parameters", "MACs", "MACs executed", "version"]
    table = ROOT / "saved_models" / "results.csv"
    if not table.is_file():
        return NOTHING_YET
    released = {row["name"]: row for row in read_index(RELEASED)}
    with table.open(encoding="utf-8", newline="") as file:
        measured = [row for row in csv.DictReader(file) if row["name"] in released]
    rows = [
        [
            f"`{row['architecture']}`",
            f"[`{released[row['name']]['tag']}`](../saved_models/{row['name']}.md)",
            f"{float(row['accuracy']):.4f}",
            *(f"{int(row[key]):,}" if row[key] else "all" for key in ("parameters", "macs", "executed_macs")),
            row["version"],
        ]
        for row in measured
    ]
    return markdown_table(headings, rows)


def _write_learning(arguments: dict[str, Any]) -> list[str]:
    # Static networks have neither junctions nor a temperature.
    if "strategy" not in arguments:
        return ["-"] * 3
    strategy, half_life = arguments["strategy"].replace("_", " "), arguments["temperature_half_life"]
    return [strategy, f"{arguments['computation_cost']}", f"{half_life} steps"]


def _recipe_fields_table() -> str:
    """The fields of a recipe, as its class has them."""
    rows = [[f"`{field.name}`", field.type_name, _write_default(field), field.about] for field in recipe_fields(Recipe)]
    return markdown_table(["field", "type", "default", "meaning"], rows)


def _write_default(field: RecipeField) -> str:
    if field.name == "title":
        return "the file's name"
    if field.default is dataclasses.MISSING:
        return "of `quick`"
    if field.default is None:
        return "left out"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{tomli_w.dumps({'value': value}).removeprefix('value = ').strip()}`"


_TABLES = {
    "recipe_fields": _recipe_fields_table,
    "zoo": _zoo_table,
    "network_families": families_table,
    "own_networks": own_networks_table,
    "measured": _measured_table,
    "evaluated": evaluated_table,
    "skipping": skipping_table,
    "skipping_runs": skipping_runs_table,
    "early_exits": _early_exits_table,
    "released": _released_table,
    "leaving": leaving_table,
    "training": training_table,
    "exports": exports_table,
    "determinism": determinism_table,
    "normalization": normalization_table,
    "compiled_steps": compiled_steps_table,
    "onnx_skipping": onnx_skipping_table,
    "xla_skipping": xla_skipping_table,
    "deployment": deployment_table,
    "equal_accuracy": equal_accuracy_table,
    "cascades": cascades_table,
    "quantized": quantized_table,
    "headline": headline,
    "lite0_photographs": lite0_photographs_table,
    "lite0_exits": lite0_exits_table,
    "own_cifar10": own_cifar10_table,
    "cold_start": cold_start_table,
    "installs": installs_table,
    "campaigns": campaigns_table,
    "claims_rule": claims_rule,
    **{f"claims_{family}": partial(claims_table, family) for family in ("multipath", "dmnn", "drn", "early_exit")},
    **{f"reported_{paper}": partial(reported_table, paper) for paper in PAPERS},
    **{f"reproduced_{paper}": partial(reproduced_table, paper) for paper in FAMILIES},
    **{f"api_{page}": partial(api_list, page) for page in API_PAGES},
}

if __name__ == "__main__":
    sys.exit(main())
