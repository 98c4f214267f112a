"""Packed datasets come back as they were, in pieces below a size; what is damaged or missing is named."""

import json
from pathlib import Path

import numpy as np
import pytest

from tf_routing import data
from tf_routing.cli.main import main
from tf_routing.data import Dataset, ImageSet, datasets
from tf_routing.data.sources.packed import write_packed

_COUNT, _TESTED = 50, 7
# Of an image and its label.
_BYTES = 8 * 6 * 3 + 8


def noise(count: int, seed: int) -> ImageSet:
    random = np.random.default_rng(seed)
    return ImageSet(random.integers(0, 256, (count, 8, 6, 3)).astype("uint8"), random.integers(0, 3, count))


def small() -> Dataset:
    names = ["a", "b", "ç"]
    return Dataset(
        "small", noise(_COUNT, 0), noise(_TESTED, 1), names, (True, False, True), 0.2, "One file is no image."
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_packed(small(), tmp_path / "packed" / "mine", piece_megabytes=(4096 + 20 * _BYTES) / 1e6)
    return tmp_path / "packed" / "mine"


def assert_same(first: Dataset, second: Dataset) -> None:
    assert first._replace(train=None, test=None) == second._replace(train=None, test=None)
    for part in ("train", "test"):
        for ours, theirs in zip(getattr(first, part), getattr(second, part), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    assert type(first.mirrors) is type(second.mirrors)


def test_a_dataset_comes_back_whole_in_pieces_of_twenty_images(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == [
        "index.json", "test_000.npz", "train_000.npz", "train_001.npz", "train_002.npz",
    ]  # fmt: skip
    assert all(file.stat().st_size <= 4096 + 20 * _BYTES for file in folder.glob("*.npz"))
    assert_same(data.load(str(folder)), small())
    index = json.loads((folder / "index.json").read_text("utf-8"))
    assert (index["means"], index["deviations"]) == small().channel_statistics()
    assert [piece["images"] for piece in index["pieces"]["train"]] == [20, 20, 10]


def test_it_is_found_by_its_name_in_the_folder_of_datasets(folder: Path, tmp_path: Path) -> None:
    datasets.check("mine", str(tmp_path / "packed"))
    assert_same(data.load("mine", str(tmp_path / "packed")), small())
    # A known name too, so that campaigns and records say the same elsewhere.
    folder.rename(tmp_path / "packed" / "cifar10")
    assert data.load("cifar10", str(tmp_path / "packed")).name == "small"


def test_the_command_packs_a_known_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", "digits", "--output", str(tmp_path / "digits"), "--piece_megabytes", "3"]) == 0
    assert "1347 training and 450 test images, 5.5 MB in 4 files" in capsys.readouterr().out
    assert_same(data.load("digits", str(tmp_path)), data.load("digits"))


def test_missing_and_damaged_pieces_are_named(folder: Path) -> None:
    damaged, cut, missing = (folder / f"train_{number:03d}.npz" for number in range(3))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ValueError, match=r"has damaged pieces: train_000.npz. Copy the folder again"):
        data.load(str(folder))
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"has damaged pieces: train_001.npz"):
        datasets.check(str(folder))
    missing.unlink()
    (folder / "test_000.npz").unlink()
    with pytest.raises(ValueError, match=r"lacks pieces: train_002.npz, test_000.npz"):
        datasets.check(str(folder))


def test_another_index_is_refused(folder: Path) -> None:
    index = folder / "index.json"
    content = json.loads(index.read_text("utf-8"))
    for text, message in (
        ("{", "index.json is damaged"),
        (json.dumps({**content, "format": "other"}), "must be the index of a packed dataset"),
        (json.dumps({key: value for key, value in content.items() if key != "mirrors"}), "it lacks mirrors"),
    ):
        index.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=message):
            data.load(str(folder))


def test_an_index_names_files_of_its_folder_alone(folder: Path) -> None:
    index = folder / "index.json"
    content = json.loads(index.read_text("utf-8"))
    content["pieces"]["test"][0]["file"] = "../elsewhere/test_000.npz"
    index.write_text(json.dumps(content), "utf-8")
    assert_same(data.load(str(folder)), small())


def test_what_cannot_be_packed_is_refused_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="exists already"):
        write_packed(small(), folder)
    with pytest.raises(ValueError, match=r"`piece_megabytes` must be at least 0.004, for one image and its label"):
        write_packed(small(), tmp_path / "new", piece_megabytes=0.001)
    with pytest.raises(ValueError, match="`dataset` must be in memory"):
        write_packed(small()._replace(train="files"), tmp_path / "new")
    assert not list(tmp_path.glob("*new*"))
