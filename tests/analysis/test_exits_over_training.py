"""Heat maps of exits over training: a row per epoch, a column per exit, a panel per network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.drawn import saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import draw_exits_over_training

CHAIN = [f"exit_{n}" for n in range(1, 9)]
TREE = ["exit_1", *(f"exit_{level}_{n}" for level in (2, 3) for n in range(1, 2**level + 1))]


def shares(names: list[str], epochs: int, seed: int = 0) -> dict[str, list[float]]:
    table = np.random.default_rng(seed).dirichlet(np.ones(len(names)), epochs)
    return dict(zip(names, table.T.tolist(), strict=True))


@pytest.mark.parametrize(("names", "epochs"), [(CHAIN, 1), (CHAIN, 32), (TREE, 5)])
@pytest.mark.parametrize("networks", [1, 4, 6])
def test_cells_are_the_shares(
    names: list[str], epochs: int, networks: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    given = {f"cost {n}": shares(names, epochs, seed=n) for n in range(networks)}
    draw_exits_over_training(given, tmp_path / "exits.png", "A title that is longer than a single panel is wide")
    maps = [axes for axes in figures[0].axes if axes.images]
    assert [axes.get_title() for axes in maps] == list(given)
    for axes, own in zip(maps, given.values(), strict=True):
        (image,) = axes.images
        np.testing.assert_allclose(image.get_array(), np.array(list(own.values())).T)
        assert image.get_clim() == (0, 1)
        # The first epoch on top, epochs and exits in the middle of their cells.
        assert image.get_extent() == [0.5, len(names) + 0.5, epochs + 0.5, 0.5]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == [name[5:].replace("_", ".") for name in names]
        low, high = sorted(axes.get_ylim())
        assert all(tick == round(tick) for tick in axes.get_yticks() if low < tick < high)
    title, *_ = figures[0].texts
    inside = title.get_window_extent()
    assert inside.x0 >= 0 and inside.x1 <= figures[0].bbox.x1
    width, height = size_of(tmp_path / "exits.png")
    assert 300 < width < 4000 and 300 < height < 2000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "`shares` must hold at least one network. Received: none"),
        ({"a": {}}, "as many epochs for each exit. Received: 'a' with {}"),
        ({"a": {"exit_1": []}}, "Received: 'a' with {'exit_1': 0}"),
        ({"a": {"exit_1": [0.5, 1.0], "exit_2": [0.5]}}, "Received: 'a' with {'exit_1': 2, 'exit_2': 1}"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(given: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        draw_exits_over_training(given, tmp_path / "exits.png")
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
