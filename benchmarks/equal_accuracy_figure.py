"""Draws what `equal_accuracy.py` measured: accuracy against time, networks that decide beside static ones.

python benchmarks/equal_accuracy_figure.py --output docs/accuracy_by_time.png
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from options import read_results

from tf_routing.analysis.charts.point_labels import write_labels
from tf_routing.analysis.charts.style import GREY, chart, pick_color


def main() -> None:
    """Reads, draws and writes."""
    results, output = read_results(__doc__, "benchmarks/equal_accuracy.json", "docs/accuracy_by_time.png")
    rows, batches = results["rows"], sorted({row["batch"] for row in results["rows"]})
    deciding = sorted({row["network"] for row in rows if row["decides"]})
    title = f"Networks that decide beside static ones, one thread of an {results['hardware']['processor']}"
    with chart(output, (8, 4.4), title) as figure:
        for axes, batch in zip(figure.subplots(1, len(batches), sharey=True, squeeze=False)[0], batches, strict=True):
            _draw(axes, [row for row in rows if row["batch"] == batch], deciding)
            axes.set(title=f"batches of {batch}", xlabel="milliseconds per image, in the faster runtime")
        figure.axes[0].set(ylabel="test accuracy")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]], deciding: Sequence[str]) -> None:
    static = sorted((row for row in rows if not row["decides"]), key=_time)
    places = [(_time(row), row["accuracy"]) for row in static]
    axes.plot(*zip(*places, strict=True), "s--", color=GREY, label="static")
    for number, network in enumerate(deciding):
        # Budgets in a row; the trained thresholds are one of them or lie between them.
        own = sorted((row for row in rows if row["network"] == network), key=_time)
        axes.plot(
            [_time(row) for row in own], [row["accuracy"] for row in own], "o-", color=pick_color(number), label=network
        )
    axes.margins(x=0.2, y=0.2)
    labels = [row["network"].removeprefix("decide_") for row in static]
    # Without labels: the others keep off their marks, and off the line.
    others = [(_time(row), row["accuracy"]) for row in rows if row["decides"]]
    steps = np.linspace(0, len(places) - 1, 10 * len(places))
    others += zip(*(np.interp(steps, range(len(places)), each) for each in zip(*places, strict=True)), strict=True)
    write_labels(axes, [*places, *others], [*labels, *("" for _ in others)])


def _time(row: Mapping[str, Any]) -> float:
    return row["milliseconds_per_image"][row["runtime"]]


if __name__ == "__main__":
    main()
