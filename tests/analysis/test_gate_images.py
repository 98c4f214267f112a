"""The images at both ends of a gate, and where the picture shows them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.drawn import saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import GateImages, Synthesis, draw_gate_images, extreme_indices


def panel(title: str, count: int = 10, channels: int = 3) -> GateImages:
    rng = np.random.default_rng(count + len(title))
    drawn = rng.random((2 * count + 1, 8, 8, channels))
    high, low = np.linspace(0.9, 0.8, count), np.linspace(0.1, 0.2, count)
    return GateImages(title, drawn[:count], high, drawn[count:-1], low, Synthesis(drawn[-1], np.array([0.25, 1, 2.5])))


def test_extremes_are_those_found_by_hand() -> None:
    values = np.array([0.5, 0.9, 0.1, 0.9, 0.3, 0.1, 0.7])
    highest, lowest = extreme_indices(values, 3)
    assert highest.tolist() == [1, 3, 6] and lowest.tolist() == [2, 5, 4]
    highest, lowest = extreme_indices(values)
    assert highest.tolist() == [1, 3, 6, 0, 4, 2, 5] and lowest.tolist() == [2, 5, 4, 0, 6, 1, 3]
    with pytest.raises(ValueError, match="`count` must be a positive integer. Received: count=0"):
        extreme_indices(values, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_highest_upper_left_lowest_below_synthesis_right(
    channels: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    given = panel("g[2][2,1]", channels=channels)
    draw_gate_images([given], tmp_path / "gates.png", "What opens gates")
    (figure,) = figures
    *small, large = figure.axes
    for axes, image in zip(small, [*given.highest, *given.lowest], strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), np.squeeze(image))
        assert axes.images[0].get_clim() == (0, 1)
    np.testing.assert_array_equal(large.images[0].get_array(), np.squeeze(given.synthesis.image))
    places = [axes.get_position() for axes in small]
    # Two rows of five in each half, left to right, and the halves one below the other.
    for half in (places[:10], places[10:]):
        assert [round(each.y0, 6) for each in half] == [round(half[0].y0, 6)] * 5 + [round(half[5].y0, 6)] * 5
        assert [each.x0 for each in half[:5]] == sorted(each.x0 for each in half[:5])
    assert min(each.y0 for each in places[:10]) > max(each.y1 for each in places[10:])
    made = large.get_position()
    assert made.x0 > max(each.x1 for each in places) and made.width > 4 * places[0].width
    assert made.y0 == pytest.approx(places[-1].y0, abs=0.02)
    texts = [text.get_text() for text in figure.texts]
    assert {"What opens gates", "g[2][2,1]", "highest gate values", "lowest gate values"} <= set(texts)
    assert "synthesised, score before softmax from 0.25 to 2.50" in texts
    assert [text for text in texts if text.startswith("0.")] == [
        f"{value:.3f}" for value in [*given.highest_values, *given.lowest_values]
    ]
    size_of(tmp_path / "gates.png")


def test_panels_stand_below_each_other_and_do_not_overlap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    draw_gate_images([panel(f"gate {n}", 4) for n in range(3)], tmp_path / "gates.png")
    boxes = [axes.get_position() for axes in figures[0].axes]
    assert len(boxes) == 3 * 9
    assert not any(one.overlaps(two) for number, one in enumerate(boxes) for two in boxes[:number])
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
    first, second, third = boxes[::9]
    assert first.x0 == pytest.approx(second.x0) == pytest.approx(third.x0)
    assert first.y0 > second.y1 and second.y0 > third.y1
    # As wide as one panel: readable on a page.
    assert figures[0].get_size_inches()[0] < 8


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([], "`panels` must hold at least one panel. Received: none"),
        ([panel("a")._replace(lowest_values=np.ones(9))], "10 lowest images, 9 values"),
        ([panel("a")._replace(highest=np.ones((0, 8, 8, 3)), highest_values=np.ones(0))], "'a' with 0 highest images"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(panels: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_gate_images(panels, tmp_path / "gates.png")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
