"""The parts of a report on the run itself: what was trained how, and its curves."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tf_routing.report.charts import Line, draw_lines
from tf_routing.report.markup import details, millions, paragraph, percent, readable, section, table
from tf_routing.report.measurement import Measurement
from tf_routing.report.run_folder import RunFolder

# Columns of the log that are no curves, and the names of others in words.
_NO_CURVES = ("epoch", "step", "processor_seconds")
_IN_WORDS = {"executed_macs": "executed MACs per image", "epoch_seconds": "seconds per epoch"}
_TABLE_ROWS = 20
_EXIT = "exit_"


def write_summary(run: RunFolder, measured: Measurement) -> str:
    """Returns the section on what was trained, and what it comes to."""
    results, record = measured.results, run.record
    facts = {
        "accuracy": percent(results["accuracy"]),
        **({"top-5 accuracy": percent(results["top5_accuracy"])} if "top5_accuracy" in results else {}),
        "test images": f"{results['images']:,} of {results['dataset']}",
        "parameters": f"{record['final'].get('parameters', measured.model.count_params()):,}",
        "multiply-accumulates (MACs) per image, at most": f"{results['macs']:,}",
        **_write_executed(results),
        **_write_training(record, run.log),
    }
    nan = results.get("nan_predictions")
    note = f"{nan:,} predictions are NaN; they count as wrong." if nan else ""
    rows = list(facts.items())
    return section("summary", "In short", paragraph(note), table("What this run is", ("fact", "value"), rows, "facts"))


def _write_executed(results: Mapping[str, Any]) -> dict[str, str]:
    if "executed_macs" not in results:
        return {}
    executed = results["executed_macs"]
    return {
        "executed on average": f"{executed['mean']:,.0f}, {percent(executed['mean'] / results['macs'])} of these",
        "executed, least to most": f"{executed['least']:,} to {executed['most']:,}",
        "distinct routes": f"{results['distinct_routes']:,}",
    }


def _write_training(record: Mapping[str, Any], log: Sequence[Mapping[str, str]]) -> dict[str, str]:
    arguments = record["arguments"]
    recipe = arguments.get("recipe")
    given = arguments.get("model_arguments") or {}
    found = {
        "network": str(arguments.get("model", "")),
        "arguments of the network": ", ".join(f"{name}={value}" for name, value in given.items()),
        "recipe": f"{recipe['name']}: {recipe.get('title', '')}" if isinstance(recipe, Mapping) else "",
        "epochs": str(len(log)) if log else "",
        "seed": str(arguments.get("seed", "")),
        "training time": _write_seconds(record.get("seconds")),
        "begun": str(record.get("started", "")),
        "made with": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
    }
    return {name: value for name, value in found.items() if value}


def _write_seconds(seconds: float | None) -> str:
    if not seconds:
        return ""
    return f"{seconds / 60:,.1f} minutes" if seconds >= 120 else f"{seconds:,.1f} seconds"


def write_curves(log: Sequence[Mapping[str, str]]) -> str:
    """Returns the section of what was logged after each epoch."""
    if not log:
        return section(
            "training", "Training", paragraph("There is no log: this network was put together, not trained.")
        )
    names = _list_metrics(log)
    charts = [_draw_metric(log, name) for name in names if not _is_share(name)]
    # After accuracy and loss.
    charts.insert(2, _draw_shares(log, names))
    about = "After each epoch; dashed: on training images, solid: on test images." if _has_tests(log) else ""
    grid = f'<div class="charts">{"".join(filter(None, charts))}</div>'
    return section("training", "Training", paragraph(about), grid, _write_log(log, names))


def _list_metrics(log: Sequence[Mapping[str, str]]) -> list[str]:
    """Returns what is logged, accuracy and loss first, without the prefix of test images."""
    columns = dict.fromkeys(name.removeprefix("val_") for row in log for name in row if name not in _NO_CURVES)
    first = [name for name in ("accuracy", "loss", "executed_macs") if name in columns]
    return [*first, *(name for name in columns if name not in first)]


def _is_share(name: str) -> bool:
    return name.startswith(_EXIT) and name.endswith("_share")


def _has_tests(log: Sequence[Mapping[str, str]]) -> bool:
    return any(name.startswith("val_") for name in log[0])


def read_column(log: Sequence[Mapping[str, str]], name: str) -> list[tuple[float, float]]:
    """Returns pairs of epoch and value of a column; epochs without a value are left out.

    Example:

    >>> read_column([{"epoch": "1", "loss": "0.5"}, {"epoch": "2", "loss": ""}], "loss")
    [(1.0, 0.5)]
    """
    found = [(float(row["epoch"]), float(row[name])) for row in log if row.get(name)]
    return [point for point in found if math.isfinite(point[1])]


def _draw_metric(log: Sequence[Mapping[str, str]], name: str) -> str:
    # Of constants, such as the cost of a static network, there is nothing to see.
    train, test = read_column(log, name), read_column(log, f"val_{name}")
    if len({value for _, value in [*train, *test]}) < 2 and name not in ("accuracy", "loss"):
        return ""
    title, scale = _IN_WORDS.get(name, readable(name)), 1.0
    if name == "executed_macs":
        title, scale = "executed MACs per image, millions", 1e-6
    lines = [
        Line(label, [(epoch, scale * value) for epoch, value in points], dashed)
        for label, points, dashed in (("training", train, True), ("test", test, False))
    ]
    return draw_lines(title, lines if test else [lines[0]._replace(dashed=False)], "epoch")


def _draw_shares(log: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    shares = [name for name in names if _is_share(name)]
    prefix = "val_" if _has_tests(log) else ""
    lines = [Line(readable(name.removesuffix("_share")), read_column(log, prefix + name)) for name in shares]
    # More lines than colours: the second half is dashed.
    lines = [line._replace(dashed=number >= 6) for number, line in enumerate(lines)]
    return draw_lines("share of test images that leave at each exit", lines, "epoch")


def _write_log(log: Sequence[Mapping[str, str]], names: Sequence[str]) -> str:
    step = -(-len(log) // _TABLE_ROWS)
    shown = sorted({*range(0, len(log), step), len(log) - 1})
    columns = [column for name in names for column in (name, f"val_{name}") if any(row.get(column) for row in log)]
    headings = [
        "epoch",
        *(f"{readable(name.removeprefix('val_'))}{', test' if name.startswith('val_') else ''}" for name in columns),
    ]
    rows = [[log[number]["epoch"], *(_write_value(log[number].get(name)) for name in columns)] for number in shown]
    about = "Training log" if step == 1 else f"Training log, every {step}th epoch and the last"
    return details("These curves as a table", table(about, headings, rows))


def _write_value(value: str | None) -> str:
    if not value:
        return "-"
    number = float(value)
    return millions(number) if abs(number) >= 1e6 else f"{number:.4g}"
