"""Error curves: every point where its cost and its error are, every label once and alike in all panels."""

from pathlib import Path

import pytest

from tests.analysis.drawn import legend_labels, saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import Curve, Panel, draw_error_curves

STATIC = Curve("static", [(1.4e6, 0.06), (5.3e6, 0.04), (2e7, 0.05)])
# The dearest first, as a sweep from the lowest price of an operation on gives it.
ACTOR = Curve("actor", [(6.1e6, 0.03), (1.6e6, 0.05), (3.2e6, 0.035)])


def others(count: int) -> list[Panel]:
    return [Panel(f"panel {n}", [STATIC, Curve(f"kind {n}", [(1e6 * n, 0.01 * n)])]) for n in range(1, count + 1)]


def test_points_are_joined_in_the_order_of_their_cost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_error_curves([Panel("", [STATIC, ACTOR])], tmp_path / "curves.png", "Some nets")
    (figure,) = figures
    static, actor = figure.axes[0].get_lines()
    assert static.get_xydata().tolist() == [[1.4, 0.06], [5.3, 0.04], [20, 0.05]]
    assert actor.get_xydata().tolist() == [[1.6, 0.05], [3.2, 0.035], [6.1, 0.03]]
    assert legend_labels(figure) == ["static", "actor"]
    assert figure.get_suptitle() == "Some nets"
    assert figure.axes[0].get_xlim()[0] == 0
    width, height = size_of(tmp_path / "curves.png")
    assert 700 < width < 1500 and 300 < height < 1000


@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_panels_share_their_axes_and_looks(count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    panels = [Panel("all", [STATIC, ACTOR]), *others(count - 1)]
    draw_error_curves(panels, tmp_path / "curves.png")
    (figure,) = figures
    assert [axes.get_title() for axes in figure.axes] == [panel.title for panel in panels]
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    looks = {(line.get_label(), line.get_color(), line.get_marker()) for line in lines}
    labels = {label for label, *_ in looks}
    assert len(looks) == len(labels) == len({tuple(look) for _, *look in looks})
    assert sorted(legend_labels(figure)) == sorted(labels)


@pytest.mark.parametrize(("count", "is_large"), [(3, False), (4, True), (9, True)])
def test_of_many_panels_the_first_is_large(
    count: int, is_large: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    draw_error_curves(others(count), tmp_path / "curves.png")
    first, *small = [axes.get_position() for axes in figures[0].axes]
    assert all((first.width > 1.5 * each.width and first.height > 1.5 * each.height) == is_large for each in small)
    boxes = [first, *small]
    assert not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_page_shows_all_of_it_and_nothing_covers_the_labels(
    count: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    draw_error_curves(others(count), tmp_path / "curves.png", "Error and executed cost, hybrid")
    (figure,) = figures
    assert figure.get_size_inches()[0] < 9
    named = [axes.xaxis.label for axes in figure.axes if axes.get_xlabel()]
    boxes = [*(label.get_window_extent() for label in named), figure.legends[0].get_window_extent()]
    assert named and not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])


def test_a_look_belongs_to_one_of_many_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_error_curves([Panel("", [Curve(str(n), [(n, 0.1)]) for n in range(50)])], tmp_path / "curves.png")
    lines = figures[0].axes[0].get_lines()
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 50


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([], "`panels` must hold at least one panel. Received: none"),
        ([Panel("a", [STATIC]), Panel("b", [])], "Received: 'b' with {} points"),
        ([Panel("a", [STATIC, Curve("empty", [])])], "Received: 'a' with {'static': 3, 'empty': 0} points"),
    ],
)
def test_nothing_to_draw_leaves_no_file(panels: list[Panel], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_error_curves(panels, tmp_path / "curves.png")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
