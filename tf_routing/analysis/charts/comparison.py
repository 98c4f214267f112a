"""Bars that compare networks, one panel per measure."""

import os
from collections.abc import Mapping
from typing import Any

from tf_routing.analysis.charts.style import BLUE, NOTE, chart

_THOUSAND = 1000


def draw_comparison(
    measures: Mapping[str, Mapping[str, float]], path: str | os.PathLike[str], title: str = "Comparison"
) -> None:
    """Draws one panel per measure with one bar per network.

    Args:
        measures: Dict from a measure's name to its values by the networks' labels, which are the same for all measures.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no measure, or two are of different networks.

    Example:

    >>> import tempfile
    >>> measures = {"accuracy": {"linear": 0.93, "conv": 0.92}, "executed blocks": {"linear": 11.0, "conv": 12.5}}
    >>> draw_comparison(measures, tempfile.mkdtemp() + "/comparison.png")

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Tables 4 and 5.
    """
    if not measures:
        raise ValueError("`measures` must hold at least one measure. Received: none")
    labels = list(next(iter(measures.values())))
    for name, values in measures.items():
        if list(values) != labels:
            raise ValueError(f"`measures` must be of the networks {labels}. Received: {name} of {list(values)}")
    with chart(path, (1.2 + 2.4 * len(measures), 1.4 + 0.42 * len(labels)), title) as figure:
        panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, (name, values) in zip(panels, measures.items(), strict=True):
            _draw_panel(axes, name, values)
        # The first network on top; shared, so once.
        panels[0].invert_yaxis()


def _draw_panel(axes: Any, name: str, values: Mapping[str, float]) -> None:
    from matplotlib.ticker import EngFormatter

    bars = axes.barh(list(values), list(values.values()), color=BLUE, height=0.6)
    axes.bar_label(bars, [_format(value) for value in values.values()], fontsize=NOTE, padding=3)
    # Room for the numbers behind the bars; a measure of nothing but zeros has a scale too.
    axes.set_xlim(0, 1.45 * max(*values.values(), 1e-9))
    axes.set_title(name)
    axes.locator_params(axis="x", nbins=4)
    if max(values.values()) >= _THOUSAND:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _format(value: float) -> str:
    return f"{value:,.0f}" if value >= _THOUSAND else f"{value:.4g}"
