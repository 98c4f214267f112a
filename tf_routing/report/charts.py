"""Charts as SVG inside a page: sharp at any size, a few kilobytes, and in the colours of the page, light or dark."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tf_routing.report.markup import escape, scrolling

# The size of a chart in units, which are about pixels: as wide as a phone.
_WIDTH, _HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 10, 42
_COLORS = 6
# Of a label of a dot: the width of a letter, the height of a line, and what keeps two labels from being read as one.
_LETTER, _LINE, _GAP = 7.0, 13.0, 4.0

Box = tuple[float, float, float, float]


class Line(NamedTuple):
    """A line of a chart.

    Args:
        label: What the legend calls it.
        points: Pairs of x and y; those that are not finite are left out.
        dashed: Boolean.
    """

    label: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


class Dot(NamedTuple):
    """A dot of a chart, with a short label beside it."""

    x: float
    y: float
    label: str


class _Axis(NamedTuple):
    """An axis: its ticks, and the places of its ends in units."""

    ticks: list[float]
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Returns where a value is."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def round_ticks(low: float, high: float, count: int = 5, whole: bool = False) -> list[float]:
    """Returns round numbers that begin at most at the lowest value and end at least at the highest.

    Args:
        low: The lowest value.
        high: The highest.
        count: Integer, about how many steps there are.
        whole: Boolean, whether they are whole numbers, as epochs are.

    Example:

    >>> round_ticks(0.13, 0.87)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> round_ticks(1, 2, whole=True)
    [1, 2]
    """
    largest = max(abs(low), abs(high))
    # What rounding makes of one value is no range.
    span = high - low if high - low > 1e-6 * largest else largest or 1.0
    raw = max(span / count, 1) if whole else span / count
    unit = 10 ** math.floor(math.log10(raw))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(factor * unit for factor in factors if factor * unit >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    decimals = None if whole else 2 - math.floor(math.log10(step))
    return [round(number * step, decimals) for number in range(first, max(last, first + 1) + 1)]


def draw_lines(title: str, lines: Sequence[Line], x_label: str, y_label: str = "") -> str:
    """Returns a chart of lines, with a legend where there are several.

    Args:
        title: What it shows; the first thing that a screen reader says.
        lines: The lines; those without points are left out.
        x_label: Of the horizontal axis, whose values are whole numbers.
        y_label: Of the vertical axis.
    """
    kept = [line._replace(points=[point for point in line.points if all(map(math.isfinite, point))]) for line in lines]
    kept = [line for line in kept if line.points]
    if not kept:
        return ""
    x, y = _axes([point for line in kept for point in line.points], whole=True)
    drawn = "".join(_draw_line(line, number, x, y) for number, line in enumerate(kept))
    ends = "; ".join(f"{line.label} ends at {line.points[-1][1]:.4g}" for line in kept)
    return _figure(title, f"{title}: {ends}", _draw_axes(x, y, x_label, y_label) + drawn, _legend(kept))


def draw_dots(title: str, dots: Sequence[Dot], x_label: str, y_label: str, limit: float | None = None) -> str:
    """Returns a chart of labelled dots.

    Args:
        title: What it shows.
        dots: The dots, at least one. Labels are placed so that none covers another, while there is room.
        x_label: Of the horizontal axis, which begins at 0.
        y_label: Of the vertical axis.
        limit: Where a vertical line marks the static cost.
    """
    points = [(dot.x, dot.y) for dot in dots]
    x, y = _axes([*points, (0.0, points[0][1]), *([(limit, points[0][1])] if limit else [])])
    marks, taken = "", [(x.place(dot.x) - 5, y.place(dot.y) - 5, 10.0, 10.0) for dot in dots]
    for dot in dots:
        across, along = x.place(dot.x), y.place(dot.y)
        left, top = _find_room(across, along, len(dot.label) * _LETTER, taken)
        taken.append((left - _GAP, top, len(dot.label) * _LETTER + 2 * _GAP, _LINE))
        marks += f'<circle class="dot" cx="{across:.1f}" cy="{along:.1f}" r="4"/>'
        marks += f'<text x="{left:.1f}" y="{top + 10:.1f}">{escape(dot.label)}</text>'
    if limit:
        marks = f'<path class="limit" d="M{x.place(limit):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>' + marks
    said = "; ".join(f"{dot.label}: {dot.y:.4g} at {dot.x:.4g}" for dot in dots)
    return _figure(title, f"{title}: {said}", _draw_axes(x, y, x_label, y_label) + marks)


def draw_bars(title: str, bars: Sequence[tuple[str, Sequence[float]]], x_label: str) -> str:
    """Returns a chart of shares as bars from 0 to 1, in groups.

    Args:
        title: What it shows.
        bars: Pairs of the name of a group, and its shares.
        x_label: What groups are.
    """
    count = sum(len(shares) for _, shares in bars)
    y = _Axis([0.0, 0.25, 0.5, 0.75, 1.0], 0.0, 1.0, _HEIGHT - _BOTTOM, _TOP)
    # As wide as a phone, or wider where bars would become lines.
    step = max((_WIDTH - _LEFT - _RIGHT) / (count + len(bars)), 7.0)
    x, drawn, names = _LEFT + step / 2, "", []
    for name, shares in bars:
        names.append((x + step * len(shares) / 2, name))
        for number, share in enumerate(shares):
            top = y.place(share)
            drawn += f'<rect class="bar b{number % 2}" x="{x:.1f}" y="{top:.1f}" width="{0.86 * step:.1f}" '
            drawn += f'height="{_HEIGHT - _BOTTOM - top:.1f}"/>'
            x += step
        x += step
    # Names that would touch are left out; the table has all of them.
    room = max(len(name) for _, name in names) * _LETTER + 6
    every = math.ceil(room / ((names[-1][0] - names[0][0]) / max(len(names) - 1, 1) or room))
    drawn += "".join(_text(place, _HEIGHT - _BOTTOM + 15, name, "middle") for place, name in names[::every])
    drawn += _text((_LEFT + x) / 2, _HEIGHT - 6, x_label, "middle")
    said = "; ".join(f"{name} {', '.join(f'{share:.3g}' for share in shares)}" for name, shares in bars)
    return _figure(title, f"{title}: {said}", _draw_y(y, "", x) + drawn, _bar_legend(bars), width=x + _RIGHT)


def _axes(points: Sequence[tuple[float, float]], whole: bool = False) -> tuple[_Axis, _Axis]:
    found = []
    for values, start, end, is_whole in (
        ([x for x, _ in points], _LEFT, _WIDTH - _RIGHT, whole),
        ([y for _, y in points], _HEIGHT - _BOTTOM, _TOP, False),
    ):
        ticks = round_ticks(min(values), max(values), whole=is_whole)
        found.append(_Axis(ticks, ticks[0], ticks[-1], float(start), float(end)))
    return found[0], found[1]


def _draw_axes(x: _Axis, y: _Axis, x_label: str, y_label: str) -> str:
    bottom = _HEIGHT - _BOTTOM
    drawn = _draw_y(y, y_label, _WIDTH - _RIGHT)
    drawn += "".join(_text(x.place(tick), bottom + 15, _number(tick), "middle") for tick in x.ticks)
    return drawn + _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle")


def _draw_y(y: _Axis, label: str, right: float) -> str:
    lines = "".join(f'<path class="grid" d="M{_LEFT} {y.place(tick):.1f}H{right:.1f}"/>' for tick in y.ticks)
    ticks = "".join(_text(_LEFT - 6, y.place(tick) + 4, _number(tick), "end") for tick in y.ticks)
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    turned = f'<text class="middle" transform="translate(12 {middle}) rotate(-90)">{escape(label)}</text>'
    return lines + ticks + (turned if label else "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 and value == round(value) else f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text class="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _draw_line(line: Line, number: int, x: _Axis, y: _Axis) -> str:
    kind = f"line c{number % _COLORS}{' dashed' if line.dashed else ''}"
    if len(line.points) == 1:
        ((across, along),) = line.points
        return f'<circle class="{kind} only" cx="{x.place(across):.1f}" cy="{y.place(along):.1f}" r="3.5"/>'
    points = " ".join(f"{x.place(across):.1f},{y.place(along):.1f}" for across, along in line.points)
    return f'<polyline class="{kind}" points="{points}"/>'


def _legend(lines: Sequence[Line]) -> str:
    if len(lines) < 2:
        return ""
    entries = "".join(
        f'<li><svg class="key" width="26" height="10" aria-hidden="true"><path class="line c{number % _COLORS}'
        f'{" dashed" if line.dashed else ""}" d="M1 5H25"/></svg> {escape(line.label)}</li>'
        for number, line in enumerate(lines)
    )
    return f'<ul class="legend">{entries}</ul>'


def _bar_legend(bars: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Says which of two colours is which, where bars of a group lie side by side."""
    most = max(len(shares) for _, shares in bars)
    if most < 2:
        return ""
    colors = ("first part", "second part") if most == 2 else ("odd parts", "even parts")
    entries = "".join(
        f'<li><svg class="key" width="12" height="12" aria-hidden="true"><rect class="bar b{number}" width="12" '
        f'height="12"/></svg> {words}</li>'
        for number, words in enumerate(colors)
    )
    return f'<ul class="legend">{entries}</ul>'


def _figure(title: str, said: str, content: str, below: str = "", width: float = _WIDTH) -> str:
    drawn = f'<svg role="img" aria-label="{escape(said)}" viewBox="0 0 {width:.0f} {_HEIGHT}"'
    # A chart that is wider than a phone keeps its size and scrolls: smaller, nobody could read it.
    if width > _WIDTH:
        drawn = scrolling(title, f'{drawn} width="{width:.0f}">{content}</svg>')
    else:
        drawn += f">{content}</svg>"
    return f'<figure class="chart"><figcaption>{escape(title)}</figcaption>{drawn}{below}</figure>'


def _find_room(x: float, y: float, width: float, taken: Sequence[Box]) -> tuple[float, float]:
    """Returns left and top of a label near a dot, where it covers nothing and stays inside, if there is room."""
    half = _LINE / 2
    near = [(x + 7, y - half), (x - 7 - width, y - half), (x - width / 2, y - 6 - _LINE), (x - width / 2, y + 6)]
    columns = (7, -7 - width, -width / 2, 24, -24 - width)
    far = [(x + dx, y - half + dy) for dy in (0, -14, 20, -28, 34, -42, 48) for dx in columns]
    for left, top in (*near, *far):
        inside = left >= _LEFT and left + width <= _WIDTH and _TOP - 8 <= top <= _HEIGHT - _BOTTOM - _LINE
        if inside and not any(_overlap((left, top, width, _LINE), box) for box in taken):
            return left, top
    return near[0]


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )
