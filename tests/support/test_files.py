"""Files and folders are whole or absent."""

import json
from pathlib import Path
from typing import Any

import pytest

from tf_routing.support.files import whole_file, whole_folder, write_json


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.json"
    with whole_file(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
        assert temporary.suffix == ".json"
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text("old")
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_interrupted_file_leaves_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("ha")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [None, "", 3])
def test_what_is_no_path_is_named(path: Any) -> None:
    for write in (whole_file, whole_folder):
        with pytest.raises(ValueError, match=f"`path` must name a file or .* Received: path={path!r}"), write(path):
            pass


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    reached = False
    with pytest.raises(IsADirectoryError, match="is a folder: name a file to write"), whole_file(tmp_path):
        reached = True
    assert not reached and list(tmp_path.iterdir()) == []


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file") as temporary:
        temporary.write_text("content")
    with whole_folder(tmp_path / "folder"):
        pass
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_appears_when_it_is_whole(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "folder"
    if there:
        path.mkdir()
    with whole_folder(path) as temporary:
        (temporary / "inside").write_text("content")
        assert not (path / "inside").exists()
    assert (path / "inside").read_text() == "content"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_folder_vanishes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "folder") as temporary:
        (temporary / "inside").write_text("ha")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_content_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("old")
    with pytest.raises(FileExistsError, match="exists already"), whole_folder(tmp_path):
        pytest.fail("the block must not run")
    assert (tmp_path / "inside").read_text() == "old"


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(FileExistsError, match="exists already"), whole_folder(tmp_path / "file"):
        pytest.fail("the block must not run")


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_json(path, {"a": [1]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": [1]} and list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "folder.json"
    path.mkdir()
    with pytest.raises(OSError, match=f"{path} could not be written: .* What was there before is whole"):
        write_json(path, {})
