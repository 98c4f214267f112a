"""Draws what `skipping.py` and `onnx_skipping.py` measured: the time of networks that skip, beside static ones.

python benchmarks/skipping_figure.py --output docs/time_of_skipping.png
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.analysis.charts.style import GREY, INK, chart, pick_color

_FOLDER = Path(__file__).parent
_TITLES = {
    "drn_resnet110": "drn_resnet110, 32 pixels",
    "dmnn50_n2": "dmnn50_n2, 224 pixels",
    "decide_chain8": "decide_chain8, 32 pixels",
}
_MARKS = ("o-", "s-", "v--", "D--")


class Point(NamedTuple):
    """A network at a rate and a batch size on one runtime: its share of the static network's time, and of its MACs."""

    network: str
    rate: float
    batch: int
    runtime: str
    time: float
    macs: float | None


def main() -> None:
    """Reads, draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="docs/time_of_skipping.png")
    arguments = parser.parse_args()
    points = [*_read_tensorflow(), *_read_onnx()]
    runtimes = list(dict.fromkeys(point.runtime for point in points))
    rates = sorted({point.rate for point in points})
    with chart(arguments.output, (9, 4), "Time of networks that skip, as a share of the static network's") as figure:
        for axes, (network, title) in zip(figure.subplots(1, len(_TITLES), sharey=True), _TITLES.items(), strict=True):
            _draw(axes, [point for point in points if point.network == network], runtimes, rates)
            axes.set(title=title, xlabel="images per batch", ylim=(0, 1.55))
        figure.axes[0].set(ylabel="share of the time per image")
        figure.legend(handles=_explain(figure.axes[0], runtimes), loc="outside lower center", ncols=3)


def _read_tensorflow() -> Iterator[Point]:
    """Wall-clock times, which skipping improves less than processor times, on all cores."""
    for contest in json.loads((_FOLDER / "skipping.json").read_text("utf-8")).values():
        for measured in contest:
            machine = measured["hardware"]
            processor = (
                machine["processor"].removeprefix("Intel(R) ").removesuffix("(R) Processor").removeprefix("AMD ")
            )
            # The Xeon without its wide vectors is left to the tables.
            if processor == "Xeon" and not machine["avx512"]:
                continue
            runtime = f"TensorFlow, {machine['cores']} cores of {processor}"
            for row in measured["rows"]:
                network, _, rate = row["network"].partition(" at ")
                if rate and network in _TITLES:
                    yield Point(network, float(rate), row["batch"], runtime, row["wall_ratio"], None)


def _read_onnx() -> Iterator[Point]:
    """Processor times of one thread."""
    measured = json.loads((_FOLDER / "onnx_skipping.json").read_text("utf-8"))
    runtime = f"ONNX Runtime, 1 core of {measured['hardware']['processor'].removeprefix('AMD ')}"
    for row in measured["rows"]:
        share = row["share_of_macs"]
        yield Point(row["network"], row["rate"], row["batch"], runtime, row["processor_ratio"], share)


def _draw(axes: Any, points: Sequence[Point], runtimes: Sequence[str], rates: Sequence[float]) -> None:
    own = sorted({point.batch for point in points})
    axes.axhline(1, color=INK, linewidth=1)
    for rate in sorted({point.rate for point in points}):
        color = pick_color(rates.index(rate))
        for runtime, marks in zip(runtimes, _MARKS, strict=False):
            row = sorted((each for each in points if (each.rate, each.runtime) == (rate, runtime)), key=_batch)
            places = [own.index(point.batch) for point in row]
            axes.plot(places, [point.time for point in row], marks, color=color, markersize=4.5, linewidth=1)
            for place, point in zip(places, row, strict=True):
                if point.macs is not None:
                    axes.hlines(point.macs, place - 0.3, place + 0.3, color=color, linewidth=2.5, alpha=0.45)
        axes.plot([], [], "s", color=color, label=f"gates open on {rate:.0%}".replace("100%", "all"))
    axes.set_xticks(range(len(own)), own)
    axes.legend(loc="upper right")


def _batch(point: Point) -> int:
    return point.batch


def _explain(axes: Any, runtimes: Sequence[str]) -> list[Any]:
    lines: Mapping[str, Mapping[str, Any]] = {
        **{name: {"fmt": marks, "color": GREY} for name, marks in zip(runtimes, _MARKS, strict=False)},
        "share of the MACs executed": {"fmt": "-", "color": GREY, "linewidth": 2.5, "alpha": 0.45},
        "the static network": {"fmt": "-", "color": INK, "linewidth": 1},
    }
    handles = []
    for label, look in lines.items():
        (handle,) = axes.plot([], [], look["fmt"], label=label, **{key: look[key] for key in look if key != "fmt"})
        handles.append(handle)
    return handles


if __name__ == "__main__":
    main()
