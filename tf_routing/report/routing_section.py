"""The parts of a report on decisions: how often each block runs, and how routes differ between classes."""

from collections.abc import Sequence

import numpy as np

from tf_routing import cost
from tf_routing.analysis.hard_routes import hard_routes
from tf_routing.analysis.route_groups import route_groups, route_text
from tf_routing.report.charts import draw_bars
from tf_routing.report.markup import Shaded, details, millions, paragraph, readable, section, table, whole_percent
from tf_routing.report.measurement import GATED_IMAGES, Measurement

_ROUTES, _CLASSES = 8, 40
_MEAN_COST = "Mean cost is a share of the static one."


def write_rates(measured: Measurement) -> str:
    """Returns the section on how often parts run, or how far gates are open."""
    if measured.gates:
        return section("rates", "Gates", *_write_gates(measured))
    if not measured.switches:
        about = "This network decides nothing per image: every image runs all of it. So there are no routes to show."
        return section("rates", "Routing", paragraph(about))
    parts = []
    if measured.taken is not None:
        names = measured.exit_names
        # As exits are called: of a chain by their numbers, of a tree by the numbers on the way to them.
        shares = [(readable(name.removeprefix("exit_")), [float((measured.taken == name).mean())]) for name in names]
        parts.append(draw_bars("Share of test images that leave at each exit", shares, "exit"))
    if measured.block_switches:
        bars = [(name, each.mean(axis=0).tolist()) for name, each in measured.block_switches.items()]
        parts.append(
            draw_bars("Share of test images for which each part runs", _number(bars), "block, from first to last")
        )
    rates = details("Execution rates as a table", _write_rates(measured))
    return section("rates", "Execution rates", f'<div class="charts">{"".join(parts)}</div>', rates)


def _number(bars: Sequence[tuple[str, list[float]]]) -> list[tuple[str, list[float]]]:
    """Returns bars with short names: their numbers, from 1."""
    return [(str(number), shares) for number, (_, shares) in enumerate(bars, 1)]


def _write_rates(measured: Measurement) -> str:
    gated = cost.gated_macs(measured.model)[1]
    rows = []
    for name, rates in measured.results["execution_rates"].items():
        for number, rate in enumerate(rates):
            # Choices behind which no layer lies are not counted.
            macs = int(gated[name][number]) if name in gated and number < len(gated[name]) else 0
            rows.append((readable(name), str(number + 1), f"{macs:,}", Shaded(f"{rate:.4f}", rate)))
    return table("Share of test images for which each part runs", ("decision", "part", "MACs", "rate"), rows)


def _write_gates(measured: Measurement) -> list[str]:
    count = len(next(iter(measured.gates.values())))
    about = (
        "All paths run for every image; gates say how much of each input flows into each path. Mean and deviation over "
        f"the first {count:,} test images"
        + (", as `tf-routing evaluate` reports them." if count == GATED_IMAGES else ".")
    )
    rows = [
        (
            readable(name),
            f"{i + 1}\u00a0to\u00a0{j + 1}",
            Shaded(f"{gates[:, i, j].mean():.3f}", gates[:, i, j].mean()),
            f"{gates[:, i, j].std():.3f}",
        )
        for name, gates in measured.gates.items()
        for i, j in np.ndindex(gates.shape[1:])
    ]
    return [paragraph(about), table("Gate values", ("routing layer", "gate", "mean", "deviation over images"), rows)]


def write_classes(measured: Measurement) -> str:
    """Returns the section on classes: how many images, how accurate, what they cost, and which ways they take."""
    chosen = _choose_classes(measured)
    headings, columns = ["class", "images", "accuracy"], []
    if measured.switches:
        headings.append("mean cost")
        columns.append(measured.macs / measured.static_macs)
    ways, parts = _list_ways(measured)
    count = len(next(iter(measured.gates.values()))) if measured.gates else len(measured.labels)
    rows: list[list[str | Shaded]] = []
    for label in chosen:
        own = measured.labels == label
        row: list[str | Shaded] = [measured.class_names[label], f"{own.sum():,}", _shade(measured.right[own])]
        row += [_shade(column[own]) for column in columns]
        rows.append([*row, *(_shade(values[own[:count]], digits=2 if measured.gates else 0) for _, values in ways)])
    headings += [name for name, _ in ways]
    about = (
        ""
        if len(chosen) == len(measured.class_names)
        else f" ({len(chosen)} of {len(measured.class_names)} classes: those of extreme cost or accuracy)"
    )
    title = "Routes by class" if ways else "Classes"
    return section("classes", title, *parts, table(f"{title}{about}", headings, rows, "classes"))


def _shade(values: np.ndarray, digits: int = 0) -> Shaded:
    if not len(values):
        return Shaded("-", 0.0)
    mean = float(np.mean(values))
    return Shaded(f"{mean:.{digits}f}" if digits else whole_percent(mean), mean)


def _choose_classes(measured: Measurement) -> list[int]:
    """Returns all classes, or where they are many those at the ends of what they cost, or else of accuracy."""
    count = len(measured.class_names)
    if count <= _CLASSES:
        return list(range(count))
    values = measured.macs if measured.switches else measured.right
    known = [label for label in range(count) if (measured.labels == label).any()]
    order = sorted(known, key=lambda label: float(values[measured.labels == label].mean()))
    return sorted({*order[: _CLASSES // 2], *order[-_CLASSES // 2 :]})


def _list_ways(measured: Measurement) -> tuple[list[tuple[str, np.ndarray]], list[str]]:
    """Returns what images of a class do: headings with a value per image; and what explains the headings."""
    if measured.gates:
        ways = [
            (f"{readable(name)}: {i + 1} to {j + 1}", gates[:, i, j])
            for name, gates in measured.gates.items()
            for i, j in np.ndindex(gates.shape[1:])
        ]
        return ways, [paragraph("The mean of each gate, from input to path, by the true class.")]
    if measured.taken is not None:
        ways = [(readable(name), measured.taken == name) for name in measured.exit_names]
        return ways, [paragraph("The share of the images of each true class that leave at each exit.", _MEAN_COST)]
    if not measured.switches:
        return [], []
    rows = hard_routes(measured.switches)
    groups = route_groups(rows)
    frequent = groups[:_ROUTES]
    ways = [(f"route {n}", np.isin(np.arange(len(rows)), group.images)) for n, group in enumerate(frequent, 1)]
    legend = [
        (
            f"route {number}",
            f"{len(group.images):,}",
            f"{int(group.route.sum())} of {len(group.route)}",
            millions(float(measured.macs[group.images[0]])),
            route_text(group.route).replace("\n", " "),
        )
        for number, group in enumerate(frequent, 1)
    ]
    headings = ("route", "images", "parts that run", "MACs per image", "\u25a0 runs, \u25a1 is left out")
    caption = "The most frequent routes" if len(groups) > len(frequent) else "All routes"
    about = f"The share of the images of each true class that take each route, of {len(groups):,} in all."
    return ways, [table(caption, headings, legend, "routes"), paragraph(about, _MEAN_COST)]
