"""Archives hold an export as TensorFlow Hub expects it; strange ones are refused before a file is written."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.exporting.exported import files
from tf_routing.exporting.archives import pack, unpack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A SavedModel that doubles."""
    module = tf.Module()
    module.weight = tf.Variable(2.0)
    double = tf.function(lambda x: {"y": module.weight * x}, input_signature=[tf.TensorSpec((None,), name="x")])
    tf.saved_model.save(module, str(tmp_path / "double"), {"double": double})
    (tmp_path / "double" / "assets" / "labels.txt").write_text("one\n", "utf-8")
    return tmp_path / "double"


def written(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


def test_what_was_packed_comes_back(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "double.tar.gz")
    unpack(tmp_path / "double.tar.gz", tmp_path / "again")
    assert files(tmp_path / "again") == files(folder)
    answer = tf.saved_model.load(str(tmp_path / "again")).signatures["double"](x=tf.constant([3.0]))
    np.testing.assert_array_equal(answer["y"], [6])


def test_the_layout_is_that_of_the_hub(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "double.tar.gz")
    with tarfile.open(tmp_path / "double.tar.gz") as tar:
        members = {each.name: each for each in tar.getmembers()}
    assert {"saved_model.pb", "variables/variables.index", "assets/labels.txt"} <= set(members)
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members.values()} == {(0, 0, "", 0)}


def test_only_exports_are_packed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`archive` must end in .tar.gz. Received: archive='.*double.zip'"):
        pack(folder, tmp_path / "double.zip")
    with pytest.raises(ValueError, match="`folder` must be that of a SavedModel"):
        pack(folder / "assets", tmp_path / "double.tar.gz")
    assert list(tmp_path.iterdir()) == [folder]


_LEAVES, _ABSOLUTE, _KIND = "leaves the folder", "is not a relative path", "is neither a file nor a folder"


@pytest.mark.parametrize(
    ("strange", "message"),
    [
        (member("../outside.txt"), _LEAVES),
        (member("assets/../../outside.txt"), _LEAVES),
        (member("/tmp/outside.txt"), _ABSOLUTE),
        (member("C:/outside.txt"), _ABSOLUTE),
        (member("..\\outside.txt"), _ABSOLUTE),
        (member("assets/link", tarfile.SYMTYPE, "/etc"), _KIND),
        (member("assets/link", tarfile.SYMTYPE, "labels.txt"), _KIND),
        (member("assets/link", tarfile.LNKTYPE, "saved_model.pb"), _KIND),
        (member("assets/pipe", tarfile.FIFOTYPE), _KIND),
        (member("assets/device", tarfile.CHRTYPE), _KIND),
    ],
)
def test_a_strange_member_is_refused(strange: tarfile.TarInfo, message: str, tmp_path: Path) -> None:
    archive = written(tmp_path / "strange.tar.gz", [(member("saved_model.pb"), b"graph"), (strange, b"")])
    with pytest.raises(ValueError, match=f"is refused: its member .* {message}"):
        unpack(archive, tmp_path / "inside" / "model")
    assert set(tmp_path.rglob("*")) == {archive}


def test_a_large_archive_is_refused(tmp_path: Path) -> None:
    archive = written(tmp_path / "large.tar.gz", [(member(f"{n}"), b"\0" * 1000) for n in range(3)])
    with pytest.raises(ValueError, match="unpacks to more than most_bytes=2999"):
        unpack(archive, tmp_path / "model", most_bytes=2999)
    unpack(archive, tmp_path / "model", most_bytes=3000)
    assert len(files(tmp_path / "model")) == 3


@pytest.mark.parametrize("content", [b"", b"text", gzip.compress(b"text", mtime=0), b"\x1f\x8b\x08"])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match="is not a whole .tar.gz archive"):
        unpack(tmp_path / "file.tar.gz", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_half_an_archive(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "whole.tar.gz")
    whole = (tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a whole .tar.gz archive"):
        unpack(tmp_path / "half.tar.gz", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_missing_archive_and_a_folder_that_is_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "none.tar.gz", tmp_path / "model")
    pack(folder, tmp_path / "double.tar.gz")
    before = files(folder)
    with pytest.raises(FileExistsError, match="exists already"):
        unpack(tmp_path / "double.tar.gz", folder)
    assert files(folder) == before
