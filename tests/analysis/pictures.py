"""What tests of figures look at."""

from pathlib import Path

from PIL import Image


def size_of(path: Path) -> tuple[int, int]:
    """The width and height of a picture, which must be a PNG file that shows something, and alone in its folder."""
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
        return picture.size
