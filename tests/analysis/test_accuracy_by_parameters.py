"""Accuracies stand where the paper's table and our runs put them, in the colour of their kind."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_hex

from tests.analysis.drawn import legend_labels, saved_figures
from tests.analysis.pictures import size_of
from tf_routing import zoo
from tf_routing.analysis import ScatteredNetwork, ScatterPanel, accuracy_panels, draw_accuracy_by_parameters

BLUE, GREEN, RED = "#1f6fb4", "#2e9d4f", "#c0392b"


def networks(panel: ScatterPanel) -> dict[str, tuple[str, float, float]]:
    return {each.label: (each.kind, each.parameters / 1e6, each.accuracy) for each in panel.networks}


def test_table_3_is_that_of_the_paper() -> None:
    first, second = accuracy_panels("Table 3")
    assert (first.title, second.title) == ("cifar10", "cifar100")
    found = networks(first)
    assert found["resnet20"] == ("single path", pytest.approx(0.27), pytest.approx(91.25))
    assert found["seresnet110"] == ("single path", pytest.approx(1.7), pytest.approx(94.79))
    assert found["resnet20_3cp"] == ("cross-prediction", pytest.approx(0.92), pytest.approx(95.01))
    assert found["resnet32_4cc"] == ("cross-connection", pytest.approx(1.88), pytest.approx(95.41))
    # Not reported on CIFAR-100.
    assert set(found) - set(networks(second)) == {
        "resnet20",
        "hyper_wrn_40_2",
        "convnet_aig_110",
        "convnet_aig_110_all",
    }
    assert not any(each.measured for each in first.networks)


def test_ensembles_and_stitches_are_of_their_own_kind() -> None:
    found = networks(accuracy_panels("Table 2")[0])
    others = {label for label, (kind, *_) in found.items() if kind == "several paths without gates"}
    assert others == {"basecnn_3", "basecnn_ensemble3", "all_ensemble", "crossstitch2"}


def test_measured_runs_are_those_of_the_cards() -> None:
    panels = accuracy_panels("Table 2", ["reported", "measured"])
    (run,) = (each for each in zoo.card("basecnn_2cc").measured if each["recipe"] == "quick")
    for panel in panels:
        (own,) = (each for each in panel.networks if each.measured and each.label == "basecnn_2cc, 4 epochs")
        assert own.kind == "cross-connection"
        assert (own.parameters, own.accuracy) == (run["parameters"], 100 * run["accuracy"])
    (alone,) = accuracy_panels("Table 2", ["measured"])
    assert alone.title == "cifar10" and all(each.measured for each in alone.networks)


def test_errors_on_other_numbers_of_classes_stand_apart() -> None:
    panels = {panel.title: networks(panel) for panel in accuracy_panels("Table 4")}
    assert "resnet50_2cc_100" in panels["top1, 1 crop, 100 classes"]
    assert all(name.endswith("_100") for name in panels["top1, 1 crop, 100 classes"])


@pytest.mark.parametrize(
    ("table", "sources", "message"),
    [
        ("Table3", ["reported"], "Unknown table 'Table3'. Did you mean: "),
        ("Table 3", ["papers"], "`source` must be one of 'reported', 'measured'. Received: source='papers'"),
        ("Table 4", ["measured"], "There are no accuracies of the networks in Table 4 that are measured."),
    ],
)
def test_a_wrong_argument_is_named(table: str, sources: list[str], message: str) -> None:
    with pytest.raises(ValueError) as error:
        accuracy_panels(table, sources)
    assert message in str(error.value)


def points(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.get_lines()}


def test_points_have_place_colour_and_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    kinds = ("single path", "cross-prediction", "cross-connection")
    given = [ScatteredNetwork(kind, kind, 1e5 * n, 90.0 + n) for n, kind in enumerate(kinds, 1)]
    given.append(ScatteredNetwork("ours", "cross-connection", 5e5, 80.0, measured=True))
    draw_accuracy_by_parameters([ScatterPanel("a", given), ScatterPanel("b", given[:1])], tmp_path / "scatter.png")
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    shown = points(figure.axes[0])
    assert shown["cross-prediction"].get_xydata().tolist() == [[0.2, 92.0]]
    for kind, color in zip(kinds, (BLUE, GREEN, RED), strict=True):
        assert shown[kind].get_marker() == "o"
        assert to_hex(shown[kind].get_markerfacecolor()) == to_hex(shown[kind].get_markeredgecolor()) == color
    ours = shown["ours"]
    assert ours.get_marker() == "D" and to_hex(ours.get_markeredgecolor()) == RED
    assert to_hex(ours.get_markerfacecolor()) == "#ffffff"
    assert legend_labels(figure) == [
        *(f"{kind}, reported by the paper" for kind in kinds),
        "cross-connection, measured by us",
    ]
    assert figure.axes[0].get_xscale() == "linear"
    size_of(tmp_path / "scatter.png")


@pytest.mark.parametrize("table", ["Table 2", "Table 3"])
def test_labels_do_not_cover_each_other(table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_accuracy_by_parameters(accuracy_panels(table), tmp_path / "scatter.png")
    figures[0].set_dpi(100)
    for axes in figures[0].axes:
        boxes = [super(type(text), text).get_window_extent() for text in axes.texts]
        assert len(boxes) == len(axes.get_lines())
        assert not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])


def test_a_large_network_makes_the_scale_logarithmic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    given = [ScatteredNetwork(str(n), "single path", n * 1e6, 90.0) for n in (1, 2, 30)]
    draw_accuracy_by_parameters([ScatterPanel("a", given)], tmp_path / "scatter.png")
    assert figures[0].axes[0].get_xscale() == "log"


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([], "`panels` must hold panels of at least one network. Received: none"),
        ([ScatterPanel("a", [])], "Received: {'a': 0}"),
        ([ScatterPanel("a", [ScatteredNetwork("x", "cc", 1e6, 90.0)])], "`kind` must be one of 'single path', "),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(panels: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_accuracy_by_parameters(panels, tmp_path / "scatter.png")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
