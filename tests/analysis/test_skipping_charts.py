"""Charts of executed cost, compared methods and structures show the numbers that they are given."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from tests.analysis.drawn import legend_labels, saved_figures
from tests.analysis.pictures import size_of
from tf_routing import zoo
from tf_routing.analysis import (
    Column,
    CostPoint,
    ImageRow,
    Method,
    draw_cost_histogram,
    draw_error_by_cost,
    draw_image_rows,
    draw_structure,
    executed_extremes,
    path_structure,
    reported_methods,
)
from tf_routing.zoo.comparisons import COMPARISONS


def test_bars_are_shares_of_the_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    macs = np.random.default_rng(0).normal(3e6, 4e5, 500)
    draw_cost_histogram(macs, tmp_path / "cost.png", static=5e6, title="Cost")
    (axes,) = figures[0].axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)
    edges = [bar.get_x() for bar in axes.patches]
    counts = np.histogram(macs / 1e6, bins=40)[0]
    np.testing.assert_allclose([bar.get_height() * 500 for bar in axes.patches], counts)
    assert edges[0] == pytest.approx(macs.min() / 1e6)
    mean, static = (line.get_xdata()[0] for line in axes.get_lines())
    assert (mean, static) == (pytest.approx(macs.mean() / 1e6), 5.0)
    size_of(tmp_path / "cost.png")


def test_images_of_one_cost_make_one_bar_that_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_cost_histogram([2e6, 2e6], tmp_path / "cost.png")
    (bar,) = figures[0].axes[0].patches
    assert bar.get_height() == 1 and bar.get_x() < 2 < bar.get_x() + bar.get_width()


def test_no_image_has_no_histogram(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        draw_cost_histogram([], tmp_path / "cost.png")


def test_extremes_are_those_of_each_class() -> None:
    random = np.random.default_rng(1)
    macs, labels = random.permutation(60).astype(float), random.integers(0, 3, 60)
    found = executed_extremes(macs, labels, [2, 0, 7], count=2)
    # A class without images is left out; the order is that which was asked for.
    assert list(found) == [2, 0]
    for label, (least, most) in found.items():
        own = sorted(macs[labels == label])
        assert (labels[[*least, *most]] == label).all()
        assert macs[least].tolist() == own[:2] and macs[most].tolist() == own[::-1][:2]


@pytest.mark.parametrize(
    ("comparison", "methods", "point"),
    [
        ("dmnn_heavy", 11, ("dmnn50_n4", CostPoint("0.7", 3.17e9, 22.32))),
        ("dmnn_heavy", 11, ("ConvNet-AIG", CostPoint("50 t=0.7", 3.06e9, 23.82))),
        ("dmnn_heavy", 11, ("slimmable net", CostPoint("50 x 0.75", 2.3e9, 25.1))),
        ("dmnn_mobile", 4, ("MobileNetV2", CostPoint("140", 0.57e9, 25.3))),
        ("dmnn_cifar100", 3, ("dmnn50_cifar_n2", CostPoint("0.5", 0.18e9, 28.24))),
        # Two of the paper's FLOPs are one multiply-accumulate.
        ("drn_cifar10", 2, ("DRN, ResNet-110", CostPoint("K = 45", 1.99e8, 5.9))),
        # What is left of the whole net, gates included; halves of FLOPs; multiply-accumulates as printed.
        ("drn_dynamic", 4, ("SkipNet", CostPoint("110", 253_212_804 * 0.49526, 6.7))),
        ("drn_dynamic", 4, ("BlockDrop", CostPoint("110", 0.905e8, 6.4))),
        ("drn_dynamic", 4, ("SACT", CostPoint("32", 82_393_168 / 2, 8.18))),
        ("drn_dynamic", 4, ("DRN, ResNet-110", CostPoint("K = 16", 0.735e8, 6.94))),
        ("drn_compressed", 2, ("filters pruned (PFEC)", CostPoint("110 B", 0.155e9, 6.7))),
    ],
)
def test_reported_points_are_those_of_the_tables(comparison: str, methods: int, point: tuple[str, CostPoint]) -> None:
    found = {method.label: method.points for method in reported_methods(comparison)}
    assert len(found) == methods
    label, wanted = point
    assert any(
        (own.label, own.macs, own.error) == (wanted.label, pytest.approx(wanted.macs), pytest.approx(wanted.error))
        for own in found[label]
    ), found[label]


def test_whole_networks_of_the_drn_paper_stand_at_what_they_cost() -> None:
    (points,) = [method.points for method in reported_methods("drn_cifar10") if method.label == "ResNet"]
    assert {point.label: point.macs for point in points}["110"] == zoo.card("resnet110").reported[-1].macs
    assert [point.label for point in points] == ["32", "44", "56", "74", "110"]


def test_lines_join_points_in_the_order_of_their_cost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    ours = Method("ours", [CostPoint("b", 4e9, 21.0), CostPoint("a", 2e9, 23.0)], measured=True)
    draw_error_by_cost([ours, Method("theirs", [CostPoint("c", 3e9, 24.0)])], tmp_path / "methods.png")
    first, second = figures[0].axes[0].get_lines()
    assert first.get_xydata().tolist() == [[2.0, 23.0], [4.0, 21.0]]
    assert (first.get_markerfacecolor(), second.get_markerfacecolor()) == ("white", second.get_color())
    assert legend_labels(figures[0]) == ["ours", "theirs"]
    assert [text.get_text() for text in figures[0].axes[0].texts] == ["b", "a", "c"]


@pytest.mark.parametrize(("error", "scale"), [(20.0, "linear"), (75.0, "log")])
def test_errors_far_apart_have_a_scale_of_ratios(
    error: float, scale: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    points = [CostPoint("a", 1e8, 6.0), CostPoint("b", 2e8, 8.0)]
    draw_error_by_cost([Method("theirs", points), Method("ours", [CostPoint("c", 1e6, error)])], tmp_path / "all.png")
    (axes,) = figures[0].axes
    assert axes.get_yscale() == scale
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert all(re.fullmatch(r"\d+(\.\d+)?", label) for label in labels) and len(labels) > 2


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_labels_of_comparisons_do_not_overlap(comparison: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_error_by_cost(reported_methods(comparison), tmp_path / "methods.png")
    # Without the lines that lead to points.
    boxes = [Text.get_window_extent(text) for text in figures[0].axes[0].texts]
    assert len(boxes) > 3
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])


def test_a_method_without_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one point"):
        draw_error_by_cost([Method("none", [])], tmp_path / "methods.png")


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        (
            "basecnn_2cc",
            "CC C32 C32 pool CC C64 C64 pool CC C128 C128 CC F32 CC F32 F10 average",
        ),
        ("basecnn_2cp", "CP-C32 C32 pool CP-C64 C64 pool CP-C128 C128 F32 CP-F32 F10 average"),
        ("sebasecnn", "C32|SE C32|SE pool C64|SE C64|SE pool C128|SE C128|SE F32 F32 F10"),
    ],
)
def test_structures_are_those_of_table_1_and_figures_2_and_4(name: str, labels: str) -> None:
    columns = path_structure(zoo.get(name))
    assert [column.label for column in columns] == [each.replace("|", " ") for each in labels.split()]


def test_paths_begin_and_end_in_one() -> None:
    columns = path_structure(zoo.get("resnet20_3cc", width_multiplier=0.25))
    counts = [(column.label, column.inputs, column.outputs) for column in columns]
    stacks = [each for width in (4, 8, 16) for each in ((f"3 x C{width}", 3, 3), ("CC", 3, 3))]
    assert counts == [
        *(("C4", 1, 1), ("CC", 1, 3), *stacks),
        *(("pool", 3, 3), ("F10", 3, 3), ("average", 3, 1)),
    ]


@pytest.mark.parametrize(("name", "message"), [("basecnn_ensemble3", "an ensemble"), ("drn_resnet32", "skip parts")])
def test_what_has_no_paths_says_so(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        path_structure(zoo.get(name, width_multiplier=0.125))


def test_a_diagram_has_a_box_per_layer_and_path_and_a_circle_per_gate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    columns = [
        Column("cross-prediction", "CP-C8", 1, 2),
        Column("layers", "C8", 2, 2),
        Column("cross-connection", "CC", 2, 2),
        Column("cross-stitch", "stitch", 2, 2),
        Column("layers", "F10", 2, 2),
        Column("average", "average", 2, 1),
    ]
    draw_structure(columns, tmp_path / "structure.png", "Structure")
    (axes,) = figures[0].axes
    assert len(axes.patches) == 4 and len(axes.collections) == 2 + 4
    # Stitches have no gates.
    assert legend_labels(figures[0]) == ["cross-prediction", "cross-connection", "cross-stitch"]
    circles = np.array([circle.get_offsets()[0] for circle in axes.collections])
    gaps = [np.linalg.norm(one - other) for number, one in enumerate(circles) for other in circles[:number]]
    assert min(gaps) > 0.1
    size_of(tmp_path / "structure.png")


def test_long_networks_go_on_in_further_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_structure([Column("layers", "C8", 1, 1)] * 40, tmp_path / "structure.png")
    assert len(figures[0].axes) == 2
    assert sum(len(axes.patches) for axes in figures[0].axes) == 40


def test_a_place_without_an_image_stays_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    image = np.random.default_rng(0).random((8, 8, 3))
    rows = [ImageRow("one", [None, image], ["cat", "dog"], ["", "3 M"]), ImageRow("two", [image, None], ["", ""])]
    draw_image_rows(rows, tmp_path / "rows.png", "Images that take a route")
    grid = figures[0].axes
    assert [len(axes.images) for axes in grid] == [0, 1, 1, 0]
    assert [axes.get_title() for axes in grid] == ["cat", "dog", "", ""]
    assert [axes.get_xlabel() for axes in grid] == ["", "3 M", "", ""]
    assert (grid[0].get_ylabel(), grid[2].get_ylabel()) == ("one", "two")
