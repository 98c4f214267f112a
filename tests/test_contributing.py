"""CONTRIBUTING describes the house as it is: its rooms, its paths, and the files that three walks go through."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tf_routing
from tests import skip_net
from tests.conformance import subjects

_PACKAGE = Path(tf_routing.__file__).parent
_TEXT = (_PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")


def _read_section(heading: str) -> str:
    return re.split(r"\n##+ ", _TEXT.partition(f"# {heading}")[2])[0]


def _list_entered(function: Callable[[], Any]) -> set[str]:
    """Calls a function and returns the files of the package whose functions ran meanwhile."""
    entered = set()

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)
    return {str(Path(file).relative_to(_PACKAGE)) for file in entered if file.startswith(str(_PACKAGE))}


def _predict(_: Path) -> None:
    # Of four blocks: to watch every call takes long.
    model = subjects.small("short_skip_resnet", input_shape=(8, 8, 3))
    model.predict(np.zeros((2, 8, 8, 3), "float32"), verbose=0)


def _fit(_: Path) -> None:
    model = skip_net.skip_model()
    model.compile()
    model.fit(skip_net.images(), skip_net.labels(), verbose=0)


def _export(folder: Path) -> None:
    tf_routing.export(skip_net.skip_model(), folder / "net")


def test_every_room_is_in_the_house_and_no_other() -> None:
    drawn = set(re.findall(r"(\w+)(?:/|\.py)", _read_section("The house").partition("All of it")[0]))
    rooms = {path.stem for path in _PACKAGE.iterdir() if not path.name.startswith("_") and path.suffix in ("", ".py")}
    assert drawn == rooms


def test_paths_exist() -> None:
    paths = re.findall(r"`((?:tf_routing|tests|benchmarks|findings|docs)/[\w/.]*)`", _TEXT)
    assert paths
    assert [path for path in paths if not (_PACKAGE.parent / path).exists()] == []


@pytest.mark.parametrize(
    ("heading", "walk"),
    [("A walk with one image", _predict), ("A walk with one decision", _fit), ("A walk with one export", _export)],
)
def test_walk_goes_through_its_files(heading: str, walk: Callable[[Path], None], tmp_path: Path) -> None:
    files = re.findall(r"`([\w/]+\.py)`", _read_section(heading))
    assert len(files) > 5
    assert set(files) <= _list_entered(lambda: walk(tmp_path))
