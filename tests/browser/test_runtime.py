"""ONNX Runtime Web comes from a file, a folder or npm, whole and of the version that was released, or not at all."""

import re
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from tests.browser.pages import CONTENT, write_package
from tf_routing.browser import runtime
from tf_routing.browser.runtime import find_runtime


def pack(folder: Path, file: Path) -> Path:
    """Writes a package as npm packs it."""
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder, "package")
    return file


def test_a_folder_and_its_archive_hold_the_same(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package")
    for path in (folder, pack(folder, tmp_path / "package.tgz")):
        found = find_runtime(str(path))
        assert (found.version, found.files) == ("9.8.7", CONTENT)


@pytest.mark.parametrize("lacking", ["package.json", f"dist/{runtime.MODULE}", f"dist/{runtime.PROGRAM}"])
def test_what_lacks_a_file_is_named(lacking: str, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package")
    (folder / lacking).unlink()
    for path in (folder, pack(folder, tmp_path / "package.tgz")):
        with pytest.raises(ValueError, match=f"`runtime` must be.*npm pack {runtime.PACKAGE}@.*{Path(lacking).name}"):
            find_runtime(str(path))


def test_what_is_no_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.tgz").write_text("no archive")
    with pytest.raises(ValueError, match="`runtime` must be a file or folder of onnxruntime-web"):
        find_runtime(str(tmp_path / "text.tgz"))
    with pytest.raises(FileNotFoundError, match="There is nothing at"):
        find_runtime(str(tmp_path / "absent"))


def write_npm(folder: Path, lines: str) -> None:
    """Writes a program `npm` that is alone on the path."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!{shutil.which('sh')}\n{lines}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("lines", "error", "said"),
    [
        (None, FileNotFoundError, "There is no npm here.*--runtime"),
        ("echo no connection >&2; exit 1", OSError, "npm could not fetch.*no connection.*--runtime"),
        ('echo other > "$4/onnxruntime-web-1.30.0.tgz"', ValueError, "npm brought another .* than was released"),
    ],
)
def test_npm_brings_what_was_released_or_nothing(
    lines: str | None, error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    if lines is not None:
        write_npm(tmp_path / "bin", lines)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(error, match=said):
        find_runtime()
    assert not (tmp_path / "keras").exists()


def test_npm_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(write_package(tmp_path / "package", runtime.VERSION), tmp_path / "packed.tgz")
    monkeypatch.setattr(runtime, "INTEGRITY", runtime._integrity(packed))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    copy = f'{shutil.which("cp")} {packed} "$4/onnxruntime-web-{runtime.VERSION}.tgz"; echo "$1 $2" >> {tmp_path}/asked'
    write_npm(tmp_path / "bin", copy)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for _ in range(2):
        assert find_runtime().files == CONTENT
    assert (tmp_path / "asked").read_text() == f"pack onnxruntime-web@{runtime.VERSION}\n"
    # A file that was damaged since is fetched again.
    (cached,) = (tmp_path / "keras" / "tf_routing").iterdir()
    cached.write_bytes(b"damaged")
    assert find_runtime().version == runtime.VERSION


def test_the_documentation_names_the_version() -> None:
    text = (Path(__file__).parents[2] / "docs" / "browser.md").read_text("utf-8")
    assert set(re.findall(rf"{runtime.PACKAGE}[@-]([\d.]+\d)", text)) == {runtime.VERSION}
