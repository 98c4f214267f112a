"""Writes the tables of README.md and of docs/ from data files: `python docs/tables.py` (`--check` only compares)."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tf_routing import zoo
from tf_routing.files import whole_file
from tf_routing.zoo.cards import ReportedRow, read_data, shown_arguments

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "training.md", ROOT / "docs" / "saved_models.md")
SKIPPING = ROOT / "benchmarks" / "skipping.json"
LEAVING = ROOT / "benchmarks" / "early_exit.json"
TRAINING = ROOT / "benchmarks" / "training.json"
EXPORTS = ROOT / "benchmarks" / "exports.json"
CONSISTENCY = Path(__file__).parent / "studies" / "path_consistency.json"
EVALUATED = Path(__file__).parent / "evaluated"


def main() -> int:
    """Rewrites the tables; with `--check`, returns 1 if they are not what the data says."""
    pages = {page: page.read_text("utf-8") for page in PAGES}
    wanted = {page: _with_tables(text) for page, text in pages.items()}
    if "--check" in sys.argv[1:]:
        return int(pages != wanted)
    for page, text in wanted.items():
        with whole_file(page) as temporary:
            temporary.write_text(text, "utf-8")
    return 0


def _with_tables(text: str) -> str:
    pattern = r"(<!-- (\w+): [^\n]*-->\n).*?(<!-- /\2 -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{_TABLES[match[2]]()}{match[3]}", text, flags=re.DOTALL)


def _zoo_table() -> str:
    rows = []
    for name in zoo.list_models():
        row = zoo.card(name).reported[0]
        size = "x".join(map(str, row.input_shape))
        rows.append([f"`{name}`", size, f"{row.trainable_parameters:,}", f"{row.macs:,}", _reported_error(row)])
    return _markdown(["name", "input", "parameters", "MACs", "reported error"], rows)


def _reported_error(row: ReportedRow) -> str:
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


def _skipping_table() -> str:
    contests = json.loads(SKIPPING.read_text("utf-8")) if SKIPPING.exists() else {}
    measured = [each for contest in contests.values() for each in contest]
    tables = [f"{_processor(each['hardware'])}:\n\n{_contest_table(each['rows'])}" for each in measured]
    return "\n".join(tables) or "Nothing yet.\n"


def _processor(machine: dict[str, Any]) -> str:
    vectors = "with" if machine["avx512"] else "without"
    return f"{machine['cores']} cores of {machine['processor']}, {vectors} AVX-512"


def _contest_table(measured: list[dict[str, Any]]) -> str:
    """Time per image, as a share of the first network's, and the share of its processor time."""
    batches = sorted({row["batch"] for row in measured})
    ratios: dict[str, dict[int, str]] = {}
    for row in measured:
        shown = f"{row['milliseconds_per_image']:.1f} ms ({row['wall_ratio']:.2f}; {row['processor_ratio']:.2f})"
        ratios.setdefault(row["network"], {})[row["batch"]] = shown
    headings = ["network", *(f"batch {batch}" for batch in batches)]
    return _markdown(
        headings, [[network, *(own.get(batch, "-") for batch in batches)] for network, own in ratios.items()]
    )


def _measured_table() -> str:
    headings = ["name", "arguments", "dataset", "recipe", "width", "epochs", "seed", "test accuracy", "minutes"]
    rows = [[_shown(run, heading) for heading in headings] for run in read_data("measured.json")]
    return _markdown(headings, rows) if rows else "Nothing yet.\n"


def _shown(run: dict[str, Any], heading: str) -> str:
    special = {
        "name": lambda: f"`{run['model']}`",
        "arguments": lambda: shown_arguments(run),
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
            *_learning(run["model_arguments"]),
            f"{100 * (1 - run['accuracy']):.2f}",
            f"{run.get('mean_macs', run['macs']):,.0f}",
            f"{run['seconds'] / 60:.1f}",
        ]
        for run in runs
    ]
    learning = ["strategy", "computation cost", "half-life of the temperature"]
    headings = ["network", *learning, "error, %", "mean operations", "minutes"]
    return _markdown(headings, rows) if rows else "Nothing yet.\n"


def _learning(arguments: dict[str, Any]) -> list[str]:
    # Static networks have neither junctions nor a temperature.
    if "strategy" not in arguments:
        return ["-"] * 3
    strategy, half_life = arguments["strategy"].replace("_", " "), arguments["temperature_half_life"]
    return [strategy, f"{arguments['computation_cost']}", f"{half_life} steps"]


def _leaving_table() -> str:
    """What `python benchmarks/early_exit.py` wrote."""
    if not LEAVING.exists():
        return "Nothing yet.\n"
    rows = [
        [
            row["chain"].replace("_", " "),
            str(row["batch"]),
            f"{row['milliseconds_per_image']:.3f} ms",
            *(_share(row[side]) for side in ("same_error", "same_operations")),
            f"{row['masked']['wall_ratio']:.2f}",
        ]
        for row in json.loads(LEAVING.read_text("utf-8"))["rows"]
    ]
    return _markdown(["chain", "batch", "time", "of the same error", "of the same operations", "of all run"], rows)


def _share(side: dict[str, Any]) -> str:
    return f"{side['wall_ratio']:.2f} of `{side['network']}`"


def _evaluated_table() -> str:
    """What `tf-routing evaluate` wrote of trained networks, one row per network and batch size."""
    headings = ["network", "execution rate", "executed MACs", "distinct routes"]
    rows, times = [], []
    for file in sorted(EVALUATED.glob("*.json")):
        results = json.loads(file.read_text("utf-8"))
        if "executed_macs" not in results:
            continue
        executed = results["executed_macs"]
        share = f"{executed['mean']:,.0f} ± {executed['deviation']:,.0f} of {results['macs']:,}"
        rows.append([f"`{file.stem}`", f"{results['execution_rate']:.3f}", share, f"{results['distinct_routes']:,}"])
        times += [[f"`{file.stem}`", *_time(row)] for row in results.get("times", [])]
    timed = ["network", "batch", "masked", "sparse", "static", "sparse / static"]
    if not rows:
        return "Nothing yet.\n"
    return _markdown(headings, rows) + ("\n" + _markdown(timed, times) if times else "")


def _time(row: dict[str, Any]) -> list[str]:
    sides = (f"{row[f'{side}_milliseconds']:.2f} ms" for side in ("dense", "sparse", "static"))
    return [str(row["batch"]), *sides, f"{row['sparse_to_static']:.2f}"]


def _consistency_table() -> str:
    """What `tf-routing study path_consistency` wrote."""
    if not CONSISTENCY.exists():
        return "Nothing yet.\n"
    study = json.loads(CONSISTENCY.read_text("utf-8"))
    headings = [
        "network trained",
        "images with one route",
        *study["image_versions"],
        "accuracy",
        "accuracy on changed images",
    ]
    rows = []
    for row in study["rows"]:
        own, changed = row["accuracies"], [row["accuracies"][version] for version in study["image_versions"]]
        counts = [f"{row['consistent_by_version'][version]:,}" for version in study["image_versions"]]
        mean = sum(changed) / len(changed)
        shown = f"{row['consistent']:,} of {study['images']:,}"
        rows.append([row["label"], shown, *counts, f"{own['original']:.4f}", f"{mean:.4f}"])
    return _markdown([heading.replace("_", " ") for heading in headings], rows)


def _training_table() -> str:
    """What `python benchmarks/training.py` wrote: how fast each loop is, and beside the one in the heading.

    Ratios are of medians over rounds.
    """
    if not TRAINING.exists():
        return "Nothing yet.\n"
    rows = json.loads(TRAINING.read_text("utf-8"))["rows"]
    loops = list(dict.fromkeys(row["loop"] for row in rows))
    rates = {(row["network"], row["loop"]): row["steps_per_second"] for row in rows}
    shown = [
        [
            f"`{row['network']}`",
            row["loop"],
            f"{row['steps_per_second']:.2f}",
            *(_speed(row, loop, rates) for loop in loops),
        ]
        for row in rows
    ]
    return _markdown(["network", "loop", "steps a second", *(f"speed beside {loop}" for loop in loops)], shown)


def _speed(row: dict[str, Any], loop: str, rates: dict[tuple[str, str], float]) -> str:
    if loop == row["loop"] or (row["network"], loop) not in rates:
        return "-"
    return f"{row['steps_per_second'] / rates[row['network'], loop]:.2f}"


def _exports_table() -> str:
    """What `python benchmarks/exports.py` wrote."""
    if not EXPORTS.exists():
        return "Nothing yet.\n"
    rows = [
        [
            f"`{row['network'] if row['side'] != 'static' else row['static']}`",
            f"{row['rate']}" if row["side"] != "static" else "-",
            str(row["batch"]),
            {"dense": "masked"}.get(row["side"], row["side"]),
            f"{row['milliseconds_per_image']:.2f} ms",
            *(f"{row[f'to_{side}']:.2f}" for side in ("dense", "static")),
        ]
        for row in json.loads(EXPORTS.read_text("utf-8"))["rows"]
    ]
    return _markdown(["export", "rate", "batch", "execution", "per image", "of masked", "of static"], rows)


def _markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_TABLES = {
    "zoo": _zoo_table,
    "measured": _measured_table,
    "evaluated": _evaluated_table,
    "skipping": _skipping_table,
    "consistency": _consistency_table,
    "early_exits": _early_exits_table,
    "leaving": _leaving_table,
    "training": _training_table,
    "exports": _exports_table,
}

if __name__ == "__main__":
    sys.exit(main())
