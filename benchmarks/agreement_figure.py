"""Draws what benchmarks of added routing measured: agreement with the whole network against time.

python benchmarks/agreement_figure.py --results benchmarks/lite0_photographs.json --output docs/lite0_photographs.png
python benchmarks/agreement_figure.py --results benchmarks/lite0_exits.json --output docs/lite0_exits.png
python benchmarks/agreement_figure.py --results benchmarks/own_cifar10.json --output docs/own_cifar10.png
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from options import read_results

from tf_routing.analysis.charts.style import GREY, chart, pick_color

_TITLES = {
    "lite0_photographs": "EfficientNet-Lite0 on {:,} photographs",
    "lite0_exits": "EfficientNet-Lite0 on {:,} photographs, ten classes",
    "own_cifar10": "ResNet-32 on {:,} test images of CIFAR-10",
}
_RUNTIMES = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime"}
# What needs no decisions has the grey of other figures, and a mark of its own.
_STATIC = {"cut": "s--", "blocks left out": "^:"}


def main() -> None:
    """Reads, draws and writes."""
    results, output = read_results(__doc__, "benchmarks/lite0_photographs.json", "docs/lite0_photographs.png")
    rows, batches = results["rows"], sorted({row["batch"] for row in results["rows"]})
    title = _TITLES[Path(output).stem].format(results["images"])
    title += f", one thread of an {results['hardware']['processor']}"
    with chart(output, (8, 0.8 + 3.2 * len(batches)), title) as figure:
        panels = figure.subplots(len(batches), len(_RUNTIMES), sharex=True, sharey=True, squeeze=False)
        for line, batch in zip(panels, batches, strict=True):
            for axes, (runtime, name) in zip(line, _RUNTIMES.items(), strict=True):
                _draw(axes, [row for row in rows if (row["batch"], row["runtime"]) == (batch, runtime)])
                axes.set(title=f"{name}, batches of {batch}")
            line[0].set(ylabel="share of images with the\nanswer of the whole network")
        for axes in panels[-1]:
            axes.set(xlabel="processor time, as a share of the whole network's")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    (whole,) = (row for row in rows if row["network"] == "whole")
    axes.plot(whole["ratio"], whole["agreement"], "k*", markersize=9, label="whole")
    networks = dict.fromkeys(row["network"] for row in rows if row is not whole)
    for number, network in enumerate(networks):
        own = sorted((row for row in rows if row["network"] == network), key=lambda row: row["share_of_macs"])
        times, agreements = [row["ratio"] for row in own], [row["agreement"] for row in own]
        spread = [
            [row["ratio"] - row["quartiles"][0] for row in own],
            [row["quartiles"][1] - row["ratio"] for row in own],
        ]
        style, color = (_STATIC[network], GREY) if network in _STATIC else ("o-", pick_color(number))
        axes.errorbar(
            times, agreements, xerr=spread, fmt=style, color=color, markersize=4, label=network.replace("_", " ")
        )
    axes.axhline(0.98, color=GREY, linewidth=0.6, linestyle=":")
    axes.margins(x=0.08, y=0.1)


if __name__ == "__main__":
    main()
