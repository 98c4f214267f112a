"""The part of a report on accuracy against cost: executed multiply-accumulates, budgets, and measured times."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.report.charts import Dot, draw_dots
from tf_routing.report.markup import details, millions, paragraph, percent, readable, section, table
from tf_routing.report.measurement import Measurement
from tf_routing.report.run_folder import RunFolder
from tf_routing.runs.trained_file import BUDGETS

_GROUPS = 5


class Point(NamedTuple):
    """An operating point.

    Args:
        label: What it is.
        macs: Float, mean multiply-accumulates per image.
        accuracy: Float.
    """

    label: str
    macs: float
    accuracy: float


def write_cost(run: RunFolder, measured: Measurement, beside: Sequence[Point], timed: Mapping[str, Any]) -> str:
    """Returns the section on accuracy and cost.

    Args:
        run: The run.
        measured: What its network did.
        beside: Other networks to compare with.
        timed: `times` and the `hardware` they hold for; empty where nothing was timed.
    """
    points = list_points(run, measured, beside)
    return section(
        "cost",
        "Accuracy and cost",
        _describe(measured),
        _write_points(points, measured, run.budgets) if len(points) > 1 else "",
        _write_groups(measured),
        _write_times(timed, measured),
    )


def _describe(measured: Measurement) -> str:
    static = f"{measured.static_macs:,} multiply-accumulates (MACs)"
    accuracy = percent(measured.results["accuracy"])
    if not measured.switches:
        return paragraph(
            f"Every image executes the same {static}; {accuracy} of the test images are classified rightly."
        )
    mean = float(measured.macs.mean())
    return paragraph(
        f"An image executes {mean:,.0f} MACs on average, {percent(mean / measured.static_macs)} of the {static} of the "
        f"most expensive way; {accuracy} of the test images are classified rightly.",
        "This network is told the cost of computation: here each image was told one that was drawn."
        if _is_told(measured)
        else "",
    )


def _is_told(measured: Measurement) -> bool:
    return "by_cost" in measured.results


def list_points(run: RunFolder, measured: Measurement, beside: Sequence[Point]) -> list[Point]:
    """Returns the operating points that are known of a run, itself first."""
    points = [Point("this run", float(measured.macs.mean()), measured.results["accuracy"])]
    points += [
        Point(f"told a cost of {row['computation_cost']:g}", row["mean_macs"], 1 - row["error"])
        for row in measured.results.get("by_cost", [])
    ]
    points += [
        Point(f"budget {row['budget']:g}", row["mean_macs"], row["accuracy"])
        for row in (run.budgets or {}).get("budgets", [])
    ]
    return [*points, *beside]


def _write_points(points: Sequence[Point], measured: Measurement, budgets: Mapping[str, Any] | None) -> str:
    dots = [Dot(point.macs / 1e6, point.accuracy, str(number)) for number, point in enumerate(points, 1)]
    limit = measured.static_macs / 1e6
    chart = draw_dots(
        "Accuracy against executed cost; the vertical line is the static cost of this network",
        dots,
        "million MACs per image",
        "accuracy",
        limit,
    )
    rows = [
        (
            str(number),
            point.label,
            millions(point.macs),
            percent(point.macs / measured.static_macs),
            percent(point.accuracy),
        )
        for number, point in enumerate(points, 1)
    ]
    headings = ("number", "network", "MACs per image", "share of the static cost", "accuracy")
    note = ""
    if budgets:
        note = (
            f"Budgets are those of {BUDGETS}, measured on {budgets['test_images']:,} images. {budgets['calibrated_on']}"
        )
    return (
        f'<div class="beside">{chart}{table("Operating points, by their numbers in the chart", headings, rows)}</div>'
        + paragraph(note)
    )


def _write_groups(measured: Measurement) -> str:
    """Returns the accuracy of images by what they cost: exits, or as many images from the cheapest to the dearest."""
    headings = ("images", "how many", "MACs per image", "share of the static cost", "accuracy")
    if measured.taken is not None:
        groups = [
            (f"leave at {readable(name)}", np.flatnonzero(measured.taken == name)) for name in measured.exit_names
        ]
        caption = "Accuracy by exit"
    elif len(set(measured.macs.tolist())) > 1:
        parts = np.array_split(np.argsort(measured.macs, kind="stable"), _GROUPS)
        words = ["the cheapest fifth", "the second fifth", "the third fifth", "the fourth fifth", "the dearest fifth"]
        groups = list(zip(words, parts, strict=True))
        caption = "Accuracy of images by what they cost"
    else:
        return ""
    return table(caption, headings, [_write_group(measured, *group) for group in groups])


def _write_group(measured: Measurement, name: str, images: np.ndarray) -> tuple[str, ...]:
    if not len(images):
        return name, "0", "-", "-", "-"
    mean = float(measured.macs[images].mean())
    return (
        name,
        f"{len(images):,}",
        millions(mean),
        percent(mean / measured.static_macs),
        percent(float(measured.right[images].mean())),
    )


def _write_times(timed: Mapping[str, Any], measured: Measurement) -> str:
    if not timed.get("times"):
        return paragraph(
            "Times are not measured: `tf-routing report --rounds 15` measures them, and so does `tf-routing evaluate "
            "RUN --output RUN/evaluation.json`, which this page then shows.",
            kind="note",
        )
    rows = timed["times"]
    ways = [name for name in ("static", "masked", "sparse") if f"{name}_milliseconds" in rows[0]]
    ratios = [name for name in rows[0] if "_to_" in name]
    headings = ("images at once", *(f"{name}, ms per image" for name in ways), *(_write_ratio(name) for name in ratios))
    cells = [
        (
            str(row["batch"]),
            *(f"{row[f'{name}_milliseconds']:.3f}" for name in ways),
            *(f"{row[name]:.2f}" for name in ratios),
        )
        for row in rows
    ]
    accuracy = percent(measured.results["accuracy"])
    words = {
        "masked": "computes every part",
        "sparse": "runs only what was chosen",
        "static": "is the static baseline, its accuracy not measured here",
    }
    said = "; ".join(f"{name} {words[name]}" for name in ways)
    about = f"Masked or sparse, the answers are the same: accuracy {accuracy}. Median wall-clock time; {said}."
    machine = ", ".join(f"{name} {value}" for name, value in timed.get("hardware", {}).items())
    return (
        table(f"Measured time at an accuracy of {accuracy}", headings, cells)
        + paragraph(about)
        + (details("Machine", paragraph(machine)) if machine else "")
    )


def _write_ratio(name: str) -> str:
    one, _, other = name.partition("_to_")
    return f"{one} as a share of {other}"
