"""Diagrams of exits: areas are shares, slices are counts, and nothing overlaps."""

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Wedge

from tests.analysis.drawn import legend_labels, saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import ExitUse, draw_exit_diagram
from tf_routing.analysis.charts.exits.exit_layout import exit_layout
from tf_routing.browser.ways import find_ways
from tf_routing.exit_tree import Exit, Stage, exits
from tf_routing.report.diagrams import tree_diagram, tree_values

CLASSES = 4
NAMES = ["cat", "dog", "frog", "horse"]


def chain(levels: int, level: int = 1) -> Stage:
    own = Exit(f"exit_{level}")
    if level == levels:
        return Stage((f"column_{level}",), None, (own,))
    return Stage((f"column_{level}",), f"junction_{level}", (own, chain(levels, level + 1)))


def tree(levels: int = 8, branching: int = 3, name: str = "", level: int = 1) -> Stage:
    """Branches in two after each of the first levels, as the paper's does."""
    own = Exit(f"exit{name}")
    if level == levels:
        return Stage((f"column{name}",), None, (own,))
    below = [tree(levels, branching, f"{name}_{n}", level + 1) for n in range(2 if level <= branching else 1)]
    return Stage((f"column{name}",), f"junction{name}", (own, *below))


def use(label: str, shape: Stage | Exit, seed: int, images: int = 10_000, evenness: float = 0.3) -> ExitUse:
    """Some images that leave somewhere."""
    rng = np.random.default_rng(seed)
    leaves = [leaf.layer for leaf in exits(shape)]
    cells = rng.dirichlet(np.full(len(leaves), evenness))[:, None] * rng.dirichlet(np.ones(2 * CLASSES), len(leaves))
    table = rng.multinomial(images, cells.ravel()).reshape(len(leaves), 2, CLASSES)
    counts = {
        leaf: {"correct": own[0].tolist(), "incorrect": own[1].tolist()}
        for leaf, own in zip(leaves, table, strict=True)
    }
    return ExitUse(label, shape, counts)


def only_at(leaf: str, shape: Stage | Exit, images: int = 100) -> ExitUse:
    counts = {
        each.layer: {"correct": [images * (each.layer == leaf)] * CLASSES, "incorrect": [0] * CLASSES}
        for each in exits(shape)
    }
    return ExitUse(f"all at {leaf}", shape, counts)


def drawn(networks: list[ExitUse], path: Path, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> Figure:
    figures = saved_figures(monkeypatch)
    draw_exit_diagram(networks, path / "exits.png", **arguments)
    return figures[-1]


def pies(axes: Any) -> dict[tuple[float, float], list[Wedge]]:
    """The slices at each place."""
    found: dict[tuple[float, float], list[Wedge]] = {}
    for patch in axes.patches:
        found.setdefault(tuple(np.round(patch.center, 6).tolist()), []).append(patch)
    return found


def area(slices: list[Wedge]) -> float:
    return sum(math.radians(each.theta2 - each.theta1) * each.r**2 / 2 for each in slices)


@pytest.mark.parametrize("by", ["correctness", "class"])
def test_areas_are_proportional_to_shares_and_slices_to_counts(
    by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    networks = [use(f"cost {n}", chain(8), seed=n, evenness=1.0) for n in range(3)]
    figure = drawn(networks, tmp_path, monkeypatch, by=by, class_names=NAMES)
    (axes,) = figure.axes
    # Rows from the bottom up, and in each the exits from left to right.
    own = [slices for _, slices in sorted(pies(axes).items(), key=lambda item: item[0][::-1])]
    expected = [(network, leaf) for network in networks for leaf in network.counts]
    assert len(own) == len(expected) == 24
    legend = [patch.get_facecolor() for patch in figure.legends[0].get_patches()]
    scales = []
    for slices, (network, leaf) in zip(own, expected, strict=True):
        right, wrong = (np.array(network.counts[leaf][key]) for key in ("correct", "incorrect"))
        counts = np.array([right.sum(), wrong.sum()]) if by == "correctness" else right + wrong
        if counts.sum() < 25:
            continue
        assert [each.get_facecolor() for each in slices] == [legend[n] for n in np.flatnonzero(counts)]
        angles = [each.theta2 - each.theta1 for each in slices]
        np.testing.assert_allclose(angles, 360 * counts[counts > 0] / counts.sum())
        scales.append(area(slices) / counts.sum())
    assert len(scales) > 16
    np.testing.assert_allclose(scales, scales[0])
    assert legend_labels(figure) == (["correct", "incorrect"] if by == "correctness" else NAMES)


def test_less_than_a_quarter_of_a_percent_is_a_black_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = {
        "exit_1": {"correct": [9951], "incorrect": [0]},
        "exit_2": {"correct": [25], "incorrect": [0]},
        "exit_3": {"correct": [24], "incorrect": [0]},
    }
    figure = drawn([ExitUse("", chain(3), counts)], tmp_path, monkeypatch)
    (large, *_), (least, *_), (dot, *_) = (slices for _, slices in sorted(pies(figure.axes[0]).items()))
    assert to_rgb(dot.get_facecolor()) == (0, 0, 0) != to_rgb(least.get_facecolor()) == to_rgb(large.get_facecolor())
    assert dot.r == pytest.approx(least.r)
    assert (least.r / large.r) ** 2 == pytest.approx(25 / 9951)


def test_rows_have_their_labels_and_links_between_neighbours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks = [use(f"cost {n}", chain(4), seed=n) for n in range(2)]
    figure = drawn(networks, tmp_path, monkeypatch, title="Where they leave")
    (axes,) = figure.axes
    heights = sorted({y for _, y in pies(axes)})
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cost 0", "cost 1"]
    np.testing.assert_allclose(axes.get_yticks(), heights)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3", "4"]
    lines = [np.round(line.get_xydata(), 6).tolist() for line in axes.get_lines()]
    assert lines == [[[x, y], [x + 1, y]] for y in np.round(heights, 6) for x in range(3)]
    assert figure.get_suptitle() == "Where they leave"
    size_of(tmp_path / "exits.png")


@pytest.mark.parametrize("shape", [chain(8), tree(), tree(levels=5, branching=4), Exit("exit")], ids=repr)
def test_circles_do_not_touch_and_lie_in_the_picture(
    shape: Stage | Exit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    leaves = [leaf.layer for leaf in exits(shape)]
    crowded = [only_at(leaf, shape) for leaf in leaves[:3]]
    networks = [*crowded, *crowded, *(use("some", shape, seed, evenness=0.05) for seed in range(3))]
    figure = drawn(networks, tmp_path, monkeypatch)
    for axes in figure.axes:
        circles = [(place, slices[0].r) for place, slices in pies(axes).items()]
        for (one, r), (two, s) in itertools.combinations(circles, 2):
            assert math.dist(one, two) > r + s
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert all(left < x - r and x + r < right and low < y - r and y + r < high for (x, y), r in circles)


def test_levels_go_outward_and_branches_spread() -> None:
    layout = exit_layout(tree())
    levels = Counter(round(math.dist((0, 0), place), 6) for place in layout.exits.values())
    assert levels == {0: 1, 1: 2, 2: 4, **dict.fromkeys(range(3, 8), 8)}
    assert len(layout.links) == 46
    # Nothing is in the way of a link but its two ends.
    for (x, y), (u, v) in layout.links:
        for place in layout.exits.values():
            if math.dist(place, (x, y)) > 1e-6 and math.dist(place, (u, v)) > 1e-6:
                along = np.clip(
                    np.dot(np.subtract(place, (x, y)), (u - x, v - y)) / math.dist((x, y), (u, v)) ** 2, 0, 1
                )
                assert math.dist(place, (x + along * (u - x), y + along * (v - y))) > 0.3
    mirrored = {(round(x, 6), round(-y, 6)) for x, y in layout.exits.values()}
    assert mirrored == {(round(x, 6), round(y, 6)) for x, y in layout.exits.values()}


def test_columns_that_cannot_be_left_take_their_room() -> None:
    rest = Stage(("column_4",), None, (Exit("exit_4"),))
    shape = Stage(("column_1", "column_2", "column_3"), "junction_3", (Exit("exit_3"), rest))
    assert exit_layout(shape).exits == {"exit_3": (2, 0), "exit_4": (3, 0)}
    # A fork where none is left: lines, no circle.
    fork = Stage(("column_1",), "junction_1", (Stage(("a",), None, (Exit("a"),)), Stage(("b",), None, (Exit("b"),))))
    layout = exit_layout(fork)
    assert set(layout.exits) == {"a", "b"} and {start for start, _ in layout.links} == {(0, 0)}


LAYERS = Stage(
    ("stem", "conv", "head_1"), "junction_1", (Exit("exit_1"), Stage(("conv_2", "head_2"), None, (Exit("exit_2"),)))
)


def test_the_layers_up_to_an_exit_are_one_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert exit_layout(LAYERS).exits == {"exit_1": (0, 0), "exit_2": (1, 0)}
    (axes,) = drawn([use("layers", LAYERS, seed=1)], tmp_path, monkeypatch).axes
    assert axes.get_xlabel() == "stages run before leaving"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]
    (axes,) = drawn([use("columns", chain(2), seed=1)], tmp_path, monkeypatch).axes
    assert axes.get_xlabel() == "columns run before leaving"
    marks = [mark.label for mark in tree_diagram(LAYERS).marks]
    assert marks == ["layers up to exit 1", "exit 1", "layers up to exit 2", "exit 2"]
    assert tree_values(LAYERS, "exit_1") == [1, 1, 0, 0] and tree_values(LAYERS, "exit_2") == [1, 0, 1, 1]
    (way,) = find_ways({"junction_1": 2}, LAYERS)
    whens = [mark["when"] for mark in way.marks]
    assert whens == [[], [("junction_1", 0)], [("junction_1", 1)], [("junction_1", 1)]]


def test_a_tree_has_a_panel_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks = [use(f"cost {n}", tree(), seed=n) for n in range(5)]
    figure = drawn(networks, tmp_path, monkeypatch, by="class")
    shown = [axes for axes in figure.axes if axes.patches]
    assert [axes.get_title() for axes in shown] == [network.label for network in networks]
    assert all(len(pies(axes)) == 47 for axes in shown)
    assert legend_labels(figure) == ["0", "1", "2", "3"]
    boxes = [axes.get_position() for axes in shown]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_shares_and_slices() -> None:
    counts = {"exit_1": {"correct": [5, 4], "incorrect": [0, 1]}, "exit_2": {"correct": [3, 2], "incorrect": [1, 0]}}
    network = ExitUse("", chain(2), counts)
    assert network.shares() == {"exit_1": 10 / 16, "exit_2": 6 / 16}
    assert network.slices("exit_2", "correctness") == [5, 1] and network.slices("exit_2", "class") == [4, 2]


FEWER = ExitUse("a", chain(3), use("", chain(2), 0).counts)
NONE = only_at("exit_9", chain(2))
OTHERS = ExitUse("b", chain(1), {"exit_1": {"correct": [1], "incorrect": [1]}})


@pytest.mark.parametrize(
    ("networks", "arguments", "message"),
    [
        ([], {}, "`networks` must hold at least one network. Received: none"),
        ([FEWER], {}, "must count images of the exits ['exit_1', 'exit_2', 'exit_3']. Received: ['exit_1', 'exit_2']"),
        ([NONE], {}, "`networks` must count images. Received: none that leave 'all at exit_9'"),
        ([use("", chain(2), 0), OTHERS], {}, "of the same classes. Received: [1, 4] classes"),
        ([OTHERS], {"by": "colour"}, "`by` must be one of 'correctness', 'class'. Received: by='colour'"),
        ([OTHERS], {"class_names": ["a", "b"]}, "`class_names` must hold 1 names. Received: 2"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(
    networks: list[ExitUse], arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as error:
        draw_exit_diagram(networks, tmp_path / "exits.png", **arguments)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
