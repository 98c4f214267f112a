"""Images become a grid, row by row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.drawn import saved_figures
from tests.analysis.pictures import size_of
from tf_routing.analysis import draw_image_grid


def images(count: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(count).random((count, 8, 8, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_titles_go_row_by_row(channels: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    given, titles = images(5, channels), ["cat", "dog", "a very long class name", "frog", "horse"]
    draw_image_grid(given, titles, tmp_path / "grid.png", columns=3, title="Five")
    shown = [axes for axes in figures[0].axes if axes.images]
    assert len(figures[0].axes) == 6 and figures[0].get_suptitle() == "Five"
    for axes, image in zip(shown, given, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), np.squeeze(image))
        # Light is light, whatever else is in the picture.
        assert axes.images[0].get_clim() == (0, 1)
    assert [axes.get_title() for axes in shown] == ["cat", "dog", "a very long …", "frog", "horse"]
    places = [axes.get_position() for axes in shown]
    assert places[0].x0 < places[1].x0 < places[2].x0 and places[3].x0 == pytest.approx(places[0].x0)
    assert places[0].y0 == pytest.approx(places[2].y0) and places[0].y0 > places[3].y0


def test_rows_and_columns_add_to_the_size(tmp_path: Path) -> None:
    sizes = []
    for count, columns in ((8, 8), (16, 8), (16, 16), (3, 8)):
        folder = tmp_path / f"{count}_{columns}"
        folder.mkdir()
        draw_image_grid(images(count), ["cat"] * count, folder / "grid.png", columns)
        sizes.append(size_of(folder / "grid.png"))
    one, two, wide, few = sizes
    assert two == (one[0], pytest.approx(one[1] + 126, abs=2)) and wide == (2 * one[0], one[1])
    assert few == (pytest.approx(one[0] * 3 / 8, abs=2), one[1])


@pytest.mark.parametrize(
    ("count", "titles", "columns", "message"),
    [
        (0, [], 3, "`titles` must be one per image. Received: 0 titles of 0 images"),
        (2, ["one"], 3, "`titles` must be one per image. Received: 1 titles of 2 images"),
        (2, ["one", "two"], 0, "`columns` must be a positive integer. Received: columns=0"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_file(
    count: int, titles: Any, columns: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as error:
        draw_image_grid(images(count), titles, tmp_path / "grid.png", columns)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
