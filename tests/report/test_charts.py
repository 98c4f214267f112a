"""Charts: round ticks around the values, marks at the place of their values, and labels that cover no other."""

import re

import numpy as np
import pytest

from tf_routing.report.charts import Dot, Line, draw_bars, draw_dots, draw_lines, round_ticks

_RANGES = [(0.13, 0.87), (0, 0), (3, 3), (-5, 12), (0.9911, 0.9987), (1e6, 4.2e7), (2e-19, 7e-17), (-3e-9, 3e-9)]
# A penalty that hardly moves, as a run logged it, and sums that differ in their last bit.
_RANGES += [(4.999999418942025e-07, 4.999999987376214e-07), (0.3, 0.1 + 0.2), (-2e8 - 3e-8, -2e8)]


@pytest.mark.parametrize(("low", "high"), _RANGES)
def test_ticks_are_even_and_hold_all_values(low: float, high: float) -> None:
    ticks, rounding = round_ticks(low, high), 1e-6 * max(abs(low), abs(high))
    assert ticks[0] <= low + rounding and ticks[-1] >= high - rounding and 2 <= len(ticks) <= 8
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 2), (1, 13), (1, 350), (20, 21)])
def test_epochs_are_whole_numbers(low: int, high: int) -> None:
    ticks = round_ticks(low, high, whole=True)
    assert all(isinstance(tick, int) for tick in ticks) and ticks[0] <= low and ticks[-1] >= high
    assert 2 <= len(ticks) <= 8 and set(np.diff(ticks)) == {ticks[1] - ticks[0]}
    chart = draw_lines("loss", [Line("test", [(low, 0.5), (high, 0.25)])], "epoch")
    shown = re.findall(r'<text class="middle" x="[\d.]+" y="[\d.]+">([^<]*)</text>', chart)
    assert shown == [*map(str, ticks), "epoch"]


def test_a_line_goes_through_its_points() -> None:
    chart = draw_lines("loss", [Line("test", [(0, 0.0), (1, 10.0), (2, float("nan")), (4, 5.0)])], "epoch")
    (points,) = re.findall(r'points="([^"]*)"', chart)
    places = np.array([point.split(",") for point in points.split()], float)
    # Left to right as the epochs, and upwards as the values.
    np.testing.assert_allclose(np.diff(places[:, 0]) / (places[-1, 0] - places[0, 0]), [0.25, 0.75], atol=1e-3)
    np.testing.assert_allclose(places[2, 1], places[:2, 1].mean(), atol=0.1)
    assert places[1, 1] < places[0, 1]


def test_nothing_to_draw_is_no_chart() -> None:
    assert draw_lines("loss", [Line("test", [(1, float("nan"))])], "epoch") == ""


def test_labels_of_dots_cover_neither_each_other_nor_dots() -> None:
    dots = [Dot(5 + 0.1 * number, 0.5 + 0.001 * number, str(number)) for number in range(1, 9)]
    chart = draw_dots("points", [*dots, Dot(20, 0.9, "9")], "x", "y", limit=22)
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">', chart)
    boxes = [(float(x), float(y) - 10, 7.0, 13.0) for x, y in texts]
    boxes += [(float(x) - 4, float(y) - 4, 8.0, 8.0) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)]
    assert len(boxes) == 18
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 : 9] if number < 9 else []:
            # With air between: "3" and "1" side by side would be read as 31.
            assert not (abs(one[0] - other[0]) < 7 + 4 and abs(one[1] - other[1]) < 13)
        if number < 9:
            for x, y, width, height in boxes[9:]:
                apart = one[0] >= x + width or x >= one[0] + 7 or one[1] >= y + height or y >= one[1] + 13
                assert apart, (one, (x, y))


def test_bars_are_as_high_as_their_shares() -> None:
    chart = draw_bars("rates", [("1", [0.25, 1.0]), ("2", [0.5])], "block")
    heights = [float(height) for height in re.findall(r'<rect class="bar b\d" x.*?height="([\d.]+)"', chart)]
    np.testing.assert_allclose(np.array(heights) / heights[1], [0.25, 1, 0.5], atol=2e-3)
    # Colours are told where bars lie side by side, and nowhere else.
    assert chart.count("<li>") == 2 and "first part" in chart and "second part" in chart
    assert "<li>" not in draw_bars("rates", [("1", [0.25]), ("2", [0.5])], "block")
    # Two hundred blocks keep their bars apart, in a chart that scrolls.
    assert 'class="scroll' in draw_bars("rates", [(str(n), [0.5]) for n in range(200)], "block")
