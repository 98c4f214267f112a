"""Figures as they are when they are saved, so that tests can compare what is drawn with the data."""

from typing import Any

import pytest
from matplotlib.figure import Figure


def saved_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """A list to which every figure is added that is saved from now on; it is saved all the same."""
    figures: list[Figure] = []
    save = Figure.savefig

    def kept(figure: Figure, *arguments: Any, **options: Any) -> None:
        save(figure, *arguments, **options)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", kept)
    return figures


def legend_labels(figure: Figure) -> list[str]:
    """What the figure's legend names."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]
