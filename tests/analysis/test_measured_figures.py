"""Figures of measured networks: points, lines and bars."""

from pathlib import Path
from typing import Any

import pytest

from tests.analysis.pictures import size_of
from tf_routing.analysis import OperatingPoint, StaticNetwork, draw_comparison, draw_route_counts, draw_trade_off

POINTS = [OperatingPoint(f"cost weight {n}", 0.9 - 0.01 * n, 6e7 - 5e6 * n, 15.0 - n) for n in range(6)]
# All in one place: labels must not hide each other for ever.
SAME = [OperatingPoint(f"cost weight {n}", 0.9, 6e7, 15.0) for n in range(6)]


@pytest.mark.parametrize("points", [POINTS, SAME, POINTS[:1]])
@pytest.mark.parametrize("static", [None, StaticNetwork("net", 68_000_000), StaticNetwork("net", 68_000_000, 0.91)])
def test_a_trade_off_is_a_picture(points: list[OperatingPoint], static: StaticNetwork | None, tmp_path: Path) -> None:
    draw_trade_off(points, tmp_path / "points.png", static)
    width, height = size_of(tmp_path / "points.png")
    assert 700 < width < 1500 and 300 < height < 1000


@pytest.mark.parametrize("epochs", [1, 3])
def test_route_counts_are_a_picture(epochs: int, tmp_path: Path) -> None:
    draw_route_counts({f"margin {n}": [n + epoch for epoch in range(epochs)] for n in range(7)}, tmp_path / "lines.png")
    width, height = size_of(tmp_path / "lines.png")
    assert 700 < width < 1500 and 300 < height < 1000


def test_a_panel_per_measure_and_a_bar_per_network(tmp_path: Path) -> None:
    sizes = []
    for measures, networks in ((1, 2), (2, 2), (2, 5)):
        folder = tmp_path / f"{measures}_{networks}"
        folder.mkdir()
        values = {f"measure {m}": {f"network {n}": float(m * n) for n in range(networks)} for m in range(measures)}
        draw_comparison(values, folder / "bars.png")
        sizes.append(size_of(folder / "bars.png"))
    (one, low), (two, same), (_, high) = sizes
    assert (two > 1.5 * one, same == low, high > 1.3 * low) == (True, True, True)


def test_measures_are_of_the_same_networks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"of the networks \['a'\]. Received: cost of \['b'\]"):
        draw_comparison({"accuracy": {"a": 1.0}, "cost": {"b": 1.0}}, tmp_path / "bars.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("draw", "empty", "argument"),
    [(draw_trade_off, [], "points"), (draw_route_counts, {}, "counts"), (draw_comparison, {}, "measures")],
)
def test_nothing_to_draw_leaves_no_file(draw: Any, empty: Any, argument: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`{argument}` must hold at least one"):
        draw(empty, tmp_path / "figure.png")
    assert list(tmp_path.iterdir()) == []
