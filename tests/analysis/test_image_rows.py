"""Rows of images become a picture."""

from pathlib import Path

import numpy as np
import pytest

from tests.analysis.pictures import size_of
from tf_routing.analysis import ImageRow, draw_image_rows


def row(count: int, channels: int = 3) -> ImageRow:
    images = np.random.default_rng(count).random((count, 8, 8, channels))
    return ImageRow(f"{count} images\n■■□", images, [f"a rather long class name {n}" for n in range(count)])


def drawn(rows: list[ImageRow], folder: Path) -> tuple[int, int]:
    folder.mkdir()
    draw_image_rows(rows, folder / "rows.png", "Images by route")
    return size_of(folder / "rows.png")


def test_rows_and_columns_add_to_the_size(tmp_path: Path) -> None:
    one, two, wide = ([row(3)], [row(3), row(2)], [row(6)])
    sizes = [drawn(rows, tmp_path / str(n)) for n, rows in enumerate((one, two, wide))]
    assert sizes[1] == (sizes[0][0], pytest.approx(sizes[0][1] + 144, abs=2))
    assert sizes[2] == (pytest.approx(sizes[0][0] + 360, abs=2), sizes[0][1])


def test_grey_images_are_drawn_too(tmp_path: Path) -> None:
    drawn([row(4, channels=1)], tmp_path / "grey")


@pytest.mark.parametrize("rows", [[], [row(2), ImageRow("none", np.zeros((0, 8, 8, 3)), [])]])
def test_no_images_no_picture(rows: list[ImageRow], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`rows` must hold rows of images"):
        draw_image_rows(rows, tmp_path / "rows.png", "Nothing")
    assert list(tmp_path.iterdir()) == []


def test_every_image_has_a_title(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        draw_image_rows([row(2)._replace(titles=["one"])], tmp_path / "rows.png", "Too few")
    assert list(tmp_path.iterdir()) == []
