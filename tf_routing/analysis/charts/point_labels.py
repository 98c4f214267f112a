"""Places labels of points in a scatter plot where they cover neither points nor other labels."""

import itertools
from collections.abc import Sequence
from typing import Any

from tf_routing.analysis.charts.style import LINE, NOTE

# Typographic points: half of a marker with the air around it, the air around a label, and distances of labels from
# markers, the nearest first.
_MARKER, _AIR = 4, 1.5
_DISTANCES = (7, 12, 18, 26, 36, 48)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_WHERE = tuple(itertools.product(_DISTANCES, _DIRECTIONS))


def write_labels(axes: Any, points: Sequence[tuple[float, float]], labels: Sequence[str]) -> None:
    """Writes a label beside each point, as near as there is room; a line leads to those further away.

    Args:
        axes: Axes that hold the points and have their final place and scales.
        points: Pairs of x and y.
        labels: One text per point; where it is empty, nothing is written, and other labels keep off the point.

    Example:

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> write_labels(axes, [(0.5, 0.5), (0.51, 0.5)], ["one", "two"])
    >>> [text.get_text() for text in axes.texts]
    ['one', 'two']
    """
    from matplotlib.transforms import Bbox

    pixels = axes.figure.dpi / 72
    half = _MARKER * pixels
    centres = axes.transData.transform(points)
    taken = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in centres]
    for number, (point, label) in enumerate(zip(points, labels, strict=True)):
        if not label:
            continue
        size = _measure(axes, label)
        others = [box for each, box in enumerate(taken) if each != number]
        places = {where: _find_box(centres[number], size, where, pixels) for where in _WHERE}
        # Of places that cover as little, the first: the nearest.
        best = min(places, key=lambda where: _count_covered(axes, places[where], others))
        _write(axes, point, label, best)
        taken.append(places[best].padded(_AIR * pixels))


def _measure(axes: Any, label: str) -> tuple[float, float]:
    probe = axes.figure.text(0, 0, label, fontsize=NOTE)
    box = probe.get_window_extent()
    probe.remove()
    return box.width, box.height


def _find_box(centre: Any, size: tuple[float, float], where: tuple[int, tuple[int, int]], pixels: float) -> Any:
    """Returns the box of a label in pixels; its edge, or its middle, lies in the direction from the point."""
    from matplotlib.transforms import Bbox

    distance, direction = where
    left, bottom = (
        middle + way * distance * pixels + side * (way - 1) / 2
        for middle, way, side in zip(centre, direction, size, strict=True)
    )
    return Bbox.from_bounds(left, bottom, size[0], size[1])


def _count_covered(axes: Any, place: Any, taken: Sequence[Any]) -> int:
    frame = axes.bbox
    inside = frame.x0 <= place.x0 and place.x1 <= frame.x1 and frame.y0 <= place.y0 and place.y1 <= frame.y1
    return sum(place.overlaps(each) for each in taken) + (0 if inside else len(taken))


def _write(axes: Any, point: tuple[float, float], label: str, where: tuple[int, tuple[int, int]]) -> None:
    distance, (x, y) = where
    alignment = {"ha": ("right", "center", "left")[x + 1], "va": ("top", "center", "bottom")[y + 1]}
    line = {"arrowstyle": "-", "color": LINE, "linewidth": 0.5, "shrinkA": 0, "shrinkB": _MARKER}
    axes.annotate(
        label,
        point,
        (x * distance, y * distance),
        textcoords="offset points",
        fontsize=NOTE,
        arrowprops=line if distance > _DISTANCES[0] or (x and y) else None,
        **alignment,
    )
