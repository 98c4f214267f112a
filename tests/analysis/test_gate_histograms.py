"""Every gate value of every class is in one bin, and classes share their bins."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.drawn import saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import draw_gate_histograms, histogram_edges
from tf_routing.analysis.charts.style import DOTS_PER_INCH

RNG = np.random.default_rng(0)
VALUES = {
    gate: {name: RNG.beta(a, b, count).astype("float32") for name, count, a in (("shark", 50, 2), ("snake", 70, 5))}
    for gate, b in (("g[2][2,1]", 3), ("g[6][2,1]", 8))
}


def test_counts_are_those_of_the_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_gate_histograms(VALUES, tmp_path / "histograms.png", bins=10, title="Gates")
    (figure,) = figures
    assert figure.get_suptitle() == "Gates"
    grid = np.reshape(figure.axes, (2, 2))
    assert [axes.get_title() for axes in grid[0]] == list(VALUES)
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["shark", "snake"]
    for column, by_class in zip(grid.T, VALUES.values(), strict=True):
        edges = histogram_edges(by_class, 10)
        for axes, values in zip(column, by_class.values(), strict=True):
            (bars,) = axes.patches
            counts, drawn_edges, _ = bars.get_data()
            np.testing.assert_array_equal(drawn_edges, edges)
            inside = [((values >= a) & (values < b)).sum() for a, b in itertools.pairwise(edges)]
            np.testing.assert_array_equal(counts, inside)
            assert counts.sum() == len(values)
            (mean,) = axes.get_lines()
            assert mean.get_xdata()[0] == pytest.approx(values.mean())
            assert axes.get_xlim() == pytest.approx((edges[0], edges[-1]))
    assert len({axes.get_ylim() for axes in grid[:, 0]}) == 1
    width, height = size_of(tmp_path / "histograms.png")
    assert 600 < width < 1500 and 250 < height < 800


def test_images_are_counted_in_integers_and_means_cover_no_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    values = {"g": {"cat": np.array([0.2, 0.3]), "dog": np.array([0.3, 0.4])}}
    draw_gate_histograms(values, tmp_path / "histograms.png")
    # Places are those of the picture.
    figures[0].set_dpi(DOTS_PER_INCH)
    for axes, mean in zip(figures[0].axes, ("0.250", "0.350"), strict=True):
        assert all(tick == round(tick) for tick in axes.get_yticks())
        (text,) = axes.texts
        assert text.get_text() == f"mean\n{mean}"
        box = text.get_window_extent()
        assert axes.bbox.x1 < box.x0 < box.x1 <= figures[0].bbox.x1


@pytest.mark.parametrize("value", [0.0, 0.3, 0.35, 0.7, 1.0])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_outermost_values_are_inside(value: float, kind: str) -> None:
    values = np.array([value, value - 1e-7, value + 1e-7]).astype(kind)
    edges = histogram_edges({"a": values}, 7)
    assert len(edges) == 8 and (np.diff(edges) > 0).all()
    assert np.histogram(values.astype("float64"), edges)[0].sum() == 3
    same = np.full(4, value, kind)
    assert np.histogram(same.astype("float64"), histogram_edges({"a": same}, 7))[0].sum() == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "`values` must hold at least one gate, and one class of it. Received: none"),
        ({"g": {}}, "`values` must hold at least one gate, and one class of it. Received: none"),
        ({"g": {"cat": np.ones(2)}, "h": {"dog": np.ones(2)}}, "values of the classes ['cat']. Received: h with"),
        ({"g": {"cat": np.ones(0)}}, "Received: g with numbers of values {'cat': 0}"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(values: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_gate_histograms(values, tmp_path / "histograms.png")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
