"""The list of files that run first names files that are there."""

from pathlib import Path

from tests.conftest import LONGEST


def test_the_longest_files_exist() -> None:
    assert [name for name in LONGEST if not (Path(__file__).parent / name).is_file()] == []
