"""All charts have one style, which leaves the user's settings alone."""

import re
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

import tf_routing
from tests.analysis.drawn import saved_figures
from tf_routing.analysis.charts import style

SOURCES = Path(tf_routing.__file__).parent


def test_settings_of_the_user_are_back_after_a_chart(tmp_path: Path) -> None:
    with matplotlib.rc_context({"axes.titlesize": 23, "savefig.dpi": 30}):
        with style.chart(tmp_path / "chart.png", (2, 1), "One") as figure:
            axes = figure.subplots()
            axes.set_title("Two")
            assert axes.title.get_fontsize() != 23 and not axes.spines["top"].get_visible()
        assert matplotlib.rcParams["axes.titlesize"] == 23
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.size == (2 * style.DOTS_PER_INCH, style.DOTS_PER_INCH)


def test_a_chart_that_fails_leaves_no_file_and_the_settings(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(RuntimeError), style.chart(tmp_path / "chart.png", (2, 1)):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [] and dict(matplotlib.rcParams) == before


def test_no_other_file_names_colours_or_makes_figures() -> None:
    # Code, not examples in docstrings.
    own = re.compile(r'"#[0-9a-f]{6}"|^ *from matplotlib\.figure import|savefig|colormaps', re.MULTILINE)
    found = {
        path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if own.search(path.read_text("utf-8"))
    }
    # One reads which formats there are, the other has the colours of training images.
    assert found - {"cli/commands/figures.py", "browser/networks.py"} == {"analysis/charts/style.py"}


def test_colours_of_a_palette_differ() -> None:
    assert len({style.pick_color(number) for number in range(len(style.PALETTE))}) == len(style.PALETTE)
    assert len({tuple(color) for color in style.pick_many_colors(20)}) == 20
    # From dark to light, and no colour for more than one of them.
    lights = [sum(color[:3]) for color in style.pick_ordered_colors(6)]
    assert lights == sorted(lights) and len(set(lights)) == 6


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 1, 4), (5, 2, 4), (9, 3, 4)])
def test_panels_fill_rows_and_none_is_to_spare(
    count: int, rows: int, columns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = saved_figures(monkeypatch)
    assert style.shape_grid(count, 4) == (rows, columns)
    with style.chart(tmp_path / "chart.png", (4, 2)) as figure:
        panels = style.add_panels(figure, count, 4)
    assert figures[0].axes == panels and len(panels) == count


def test_a_picture_is_as_wide_as_its_title(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = saved_figures(monkeypatch)
    with style.chart(tmp_path / "chart.png", (2, 2), "Execution rate by group, dmnn50_n2 on imagenet2012") as figure:
        figure.subplots()
    (title,) = figures[0].texts
    box = title.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figures[0].bbox.x1
