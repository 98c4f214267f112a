"""Draws how a block decides, executes and accounts: `python docs/concepts_figure.py`."""

from pathlib import Path
from typing import Any

from tf_routing.analysis.charts.style import BLUE, GREEN, GREY, INK, LINE, RED, chart

_OUTPUT = Path(__file__).parent / "decide_execute_account.png"
_SWITCHES = (1, 0, 1, 0)
_ROWS = (3.4, 2.6, 1.8, 1.0)
"""Heights of four images."""
_LIGHT = "#eef2f6"


def main() -> None:
    """Draws four images on their way through one block."""
    with chart(_OUTPUT, (10.6, 4.2), layout=None) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 22.4), ylim=(-0.9, 5.6))
        axes.set_axis_off()
        _draw_decision(axes)
        _draw_masked(axes, 6.1)
        _draw_sparse(axes, 10.9)
        _draw_accounts(axes, 16.4)


def _draw_decision(axes: Any) -> None:
    _write_heading(axes, 2.8, "DECIDE", "a router reads every image")
    for number, (height, switch) in enumerate(zip(_ROWS, _SWITCHES, strict=True), start=1):
        _draw_image(axes, 0.7, height, number)
        _draw_arrow(axes, 1.1, height, 1.9)
        _draw_arrow(axes, 3.6, height, 4.3)
        _draw_switch(axes, 4.7, height, switch)
    _draw_box(axes, 1.9, 3.6, 0.5, 3.9, "router")
    axes.text(
        2.8, -0.35, "decisions: ordinary tensors,\nfound by name", ha="center", va="center", color=INK, fontsize=8
    )


def _draw_masked(axes: Any, left: float) -> None:
    _write_heading(axes, left + 4.6, "EXECUTE", "the same weights, the same numbers")
    axes.text(left + 2.1, 4.3, "masked: training", ha="center", color=INK, weight="bold")
    for number, (height, switch) in enumerate(zip(_ROWS, _SWITCHES, strict=True), start=1):
        _draw_image(axes, left + 0.4, height, number)
        _draw_arrow(axes, left + 0.8, height, left + 1.3)
        axes.text(left + 3.2, height, f"x {switch}", va="center", ha="center", color=BLUE if switch else LINE)
        _draw_arrow(axes, left + 2.7, height, left + 2.9)
        _draw_image(axes, left + 4.0, height, number, done=bool(switch))
        _draw_arrow(axes, left + 3.5, height, left + 3.6)
    _draw_box(axes, left + 1.3, left + 2.7, 0.5, 3.9, "branch", GREEN)
    axes.text(left + 2.1, -0.35, "every branch\non every image", ha="center", va="center", color=INK, fontsize=8)


def _draw_sparse(axes: Any, left: float) -> None:
    axes.text(left + 2.1, 4.3, "sparse: inference", ha="center", color=INK, weight="bold")
    for number, (height, switch) in enumerate(zip(_ROWS, _SWITCHES, strict=True), start=1):
        _draw_image(axes, left + 0.4, height, number)
        _draw_image(axes, left + 4.0, height, number, done=bool(switch))
        # Those that chose the branch are gathered in it; the others pass.
        way = 3.4 - 0.35 * (number - 1) / 2 if switch else height
        _draw_arrow(axes, left + 0.8, height, left + (1.3 if switch else 3.6), way if switch else height, switch)
        if switch:
            _draw_arrow(axes, left + 2.7, way, left + 3.6, height, switch)
    _draw_box(axes, left + 1.3, left + 2.7, 2.85, 3.9, "branch", GREEN)
    axes.text(
        left + 2.1, -0.35, "each branch on the images\nthat chose it", ha="center", va="center", color=INK, fontsize=8
    )


def _draw_accounts(axes: Any, left: float) -> None:
    _write_heading(axes, left + 2.9, "ACCOUNT", "both read decisions, never layers")
    axes.text(left + 1.3, 4.3, "cost: MACs of each image", ha="center", color=INK, weight="bold")
    for number, (height, switch) in enumerate(zip(_ROWS, _SWITCHES, strict=True), start=1):
        _draw_image(axes, left, height, number, done=bool(switch))
        axes.barh(height, 0.35, left=left + 0.6, height=0.3, color=BLUE)
        if switch:
            axes.barh(height, 1.6, left=left + 0.95, height=0.3, color=GREEN)
    axes.text(left + 4.75, 4.3, "objective", ha="center", color=INK, weight="bold")
    for height, term in zip(_ROWS, ("classification", "execution rate", "diversity", "..."), strict=True):
        axes.text(left + 4.75, height, term, ha="center", va="center", color=RED, fontsize=8)
    axes.text(left + 1.3, -0.35, "router and branch", ha="center", va="center", color=INK, fontsize=8)
    axes.text(left + 4.75, -0.35, "loss terms,\nlogged by name", ha="center", va="center", color=INK, fontsize=8)


def _write_heading(axes: Any, place: float, heading: str, about: str) -> None:
    axes.text(place, 5.25, heading, ha="center", va="center", fontsize=13, weight="bold", color=INK)
    axes.text(place, 4.82, about, ha="center", va="center", fontsize=9, color=GREY)


def _draw_image(axes: Any, place: float, height: float, number: int, done: bool = False) -> None:
    box = {
        "boxstyle": "square,pad=0.35",
        "facecolor": "#d6ecd9" if done else "white",
        "edgecolor": INK,
        "linewidth": 0.8,
    }
    axes.text(place, height, str(number), ha="center", va="center", fontsize=9, bbox=box)


def _draw_switch(axes: Any, place: float, height: float, switch: int) -> None:
    look = {"boxstyle": "circle,pad=0.3", "facecolor": BLUE if switch else "white", "edgecolor": BLUE, "linewidth": 1}
    axes.text(place, height, str(switch), ha="center", va="center", color="white" if switch else BLUE, bbox=look)


def _draw_box(axes: Any, left: float, right: float, low: float, high: float, name: str, color: str = BLUE) -> None:
    axes.fill([left, right, right, left], [low, low, high, high], facecolor=_LIGHT, edgecolor=color, linewidth=1.5)
    axes.text((left + right) / 2, (low + high) / 2, name, ha="center", va="center", color=color, weight="bold")


def _draw_arrow(axes: Any, left: float, height: float, right: float, end: float | None = None, runs: int = 0) -> None:
    look = {"arrowstyle": "-|>", "color": GREEN if runs else LINE, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (right, height if end is None else end), (left, height), arrowprops=look)


if __name__ == "__main__":
    main()
