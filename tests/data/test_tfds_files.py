"""Prepared folders of TensorFlow Datasets load as streams, and those that cannot say why."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.prepared_data import FOLDER, load_or_skip
from tests.data.written_folder import IMAGE, LABEL, Examples, noise, numbered, png, write_folder
from tf_routing import data
from tf_routing.data.sources.tfds_folders import list_prepared

_UNLABELLED = [(image, -1) for image, _ in numbered(4)]
_SPLITS = {"train": [numbered(5), numbered(3)], "validation": [numbered(4)]}


@pytest.mark.parametrize(
    ("name", "classes", "train", "test"), [("imagenette224", 10, 400, 100), ("tiny_imagenet", 20, 10000, 1000)]
)
def test_real_photographs(name: str, classes: int, train: int, test: int) -> None:
    photographs = load_or_skip(name)
    assert (photographs.name, photographs.classes, photographs.mirrors) == (name, classes, True)
    assert (photographs.train.image_count, photographs.test.image_count) == (train, test)
    assert photographs.class_names == sorted(photographs.class_names)
    np.testing.assert_array_equal(np.bincount(photographs.test.labels), [test // classes] * classes)
    assert photographs.image_shape == (None, None, 3)
    assert photographs.sized(48).image_shape == (48, 48, 3)


@pytest.mark.parametrize("name", ["imagenette224/subset", "imagenette224:1.0.0", "imagenette224/subset:1.0.0"])
def test_a_configuration_and_a_version_may_be_named(name: str) -> None:
    files = load_or_skip("imagenette224").train.files
    assert data.load(name, FOLDER).train.files == files


def test_a_dataset_that_has_code_is_read_from_its_files(tmp_path: Path) -> None:
    write_folder(tmp_path, "imagenet2012/5.0.0", {**_SPLITS, "test": [_UNLABELLED]})
    loaded = data.load("imagenet2012", str(tmp_path))
    assert (loaded.train.image_count, loaded.test.image_count) == (8, 4)
    assert [Path(file).name for file in loaded.train.files] == [
        "imagenet2012-train.tfrecord-00000-of-00002",
        "imagenet2012-train.tfrecord-00001-of-00002",
    ]
    np.testing.assert_array_equal(loaded.train.labels, [0, 1, 2, 3, 4, 0, 1, 2])


@pytest.mark.parametrize(
    ("splits", "chosen"),
    [
        ({"test": [numbered(3)], "validation": [numbered(4)]}, "test"),
        ({"test": [_UNLABELLED], "validation": [numbered(4)]}, "validation"),
        ({"validation": [numbered(4)]}, "validation"),
        ({"test": [numbered(3)]}, "test"),
    ],
)
def test_the_test_split_is_the_first_with_labels(
    splits: dict[str, list[Examples]], chosen: str, tmp_path: Path
) -> None:
    write_folder(tmp_path, "shapes/1.0.0", {"train": [numbered(5)], **splits})
    (file,) = data.load("shapes", str(tmp_path)).test.files
    assert f"-{chosen}." in file


def test_the_folder_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data.load("shapes").train.image_count == 8


def test_the_folder_of_the_environment_is_used_for_datasets_that_are_read_as_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow_datasets as tfds

    # What it read when it was imported counts no more.
    assert str(tmp_path) != tfds.core.constants.DATA_DIR
    pictures = [(png(noise(32, 32, seed=number)), number) for number in range(3)]
    label = {**LABEL, "classLabel": {"numClasses": "10"}}
    folder = write_folder(
        tmp_path, "cifar10/3.0.2", {"train": [pictures], "test": [pictures]}, {"image": IMAGE, "label": label}
    )
    (folder / "label.labels.txt").write_text("\n".join("abcdefghij"), "utf-8")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    loaded = data.load("cifar10")
    assert loaded.class_names == list("abcdefghij")
    np.testing.assert_array_equal(loaded.train.images[1], noise(32, 32, seed=1))


def test_the_newest_version_is_read(tmp_path: Path) -> None:
    for version in ("2.0.0", "10.0.0", "1.5.0"):
        write_folder(tmp_path, f"shapes/{version}", _SPLITS)
    (tmp_path / "shapes" / "11.0.0").mkdir()
    assert "/10.0.0/" in data.load("shapes", str(tmp_path)).train.files[0]
    assert "/1.5.0/" in data.load("shapes:1.5.0", str(tmp_path)).train.files[0]


def test_several_configurations_must_be_chosen_from_unless_one_is_the_default(tmp_path: Path) -> None:
    for config in ("large", "small"):
        write_folder(tmp_path, f"shapes/{config}/1.0.0", _SPLITS)
    with pytest.raises(ValueError, match="several configurations. Choose one of: shapes/large, shapes/small"):
        data.load("shapes", str(tmp_path))
    metadata = tmp_path / "shapes" / ".config" / "metadata.json"
    metadata.parent.mkdir()
    metadata.write_text('{"default_config_name": "small"}', "utf-8")
    assert "/small/" in data.load("shapes", str(tmp_path)).train.files[0]
    assert list_prepared(str(tmp_path)) == ["shapes/large", "shapes/small"]


@pytest.mark.parametrize(("name", "mirrors"), [("emnist", False), ("shapes", True)])
def test_letters_and_digits_are_not_mirrored(name: str, mirrors: bool, tmp_path: Path) -> None:
    write_folder(tmp_path, f"{name}/1.0.0", _SPLITS)
    assert data.load(name, str(tmp_path)).mirrors is mirrors


def test_channel_statistics_are_those_of_imagenet(tmp_path: Path) -> None:
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    expected = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    assert data.load("shapes", str(tmp_path)).channel_statistics() == expected


def test_only_training_images_are_cropped_at_random(tmp_path: Path) -> None:
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    loaded = data.load("shapes", str(tmp_path)).sized(16, random_size_crop=True)
    assert (loaded.train.random_size_crop, loaded.test.random_size_crop) == (True, False)
    assert (loaded.train.image_size, loaded.test.image_size) == (16, 16)


def test_pictures_are_resized_for_training_and_tests(tmp_path: Path) -> None:
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    loaded = data.load("shapes", str(tmp_path)).sized(16, resize=18)
    assert (loaded.train.resize, loaded.test.resize) == (18, 18)


def test_an_unknown_name_lists_close_ones_and_says_how_to_prepare_it(tmp_path: Path) -> None:
    write_folder(tmp_path, "shapes/small/1.0.0", _SPLITS)
    with pytest.raises(ValueError) as caught:
        data.load("shapes/smal", str(tmp_path))
    message = str(caught.value)
    assert "Unknown dataset 'shapes/smal'. Did you mean: shapes/small?" in message
    assert f"prepared in {tmp_path}" in message
    assert "TFDS_DATA_DIR" in message


@pytest.mark.parametrize("name", ["imagenet2012", "coco/2014", "mnist:9.9.9"])
def test_a_known_dataset_that_is_not_prepared_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        data.load(name, str(tmp_path))
    assert f"Dataset '{name}' is not prepared in {tmp_path}" in str(caught.value)
    assert f"tfds.load('{name}')" in str(caught.value)


@pytest.mark.parametrize("name", ["", "../shapes", "/shapes", "huggingface:mnist", "shapes/a/b/c", "shapes/a=1"])
def test_what_is_no_name_is_an_unknown_one(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    with pytest.raises(ValueError, match=f"Unknown dataset {name!r}"):
        data.load(name, str(tmp_path / "inside"))


@pytest.mark.parametrize(
    ("features", "splits", "message"),
    [
        ({"image": IMAGE}, _SPLITS, "must have the features `image`, .* and `label`"),
        ({"image": LABEL, "label": LABEL}, _SPLITS, "must have the features `image`"),
        ({"image": {**IMAGE, "image": {"dtype": "uint16"}}, "label": LABEL}, _SPLITS, "must have .* of type uint8"),
        (None, {"train": _SPLITS["train"]}, "must have the splits .* Received: train$"),
        (None, {"test": [numbered(3)]}, "must have the splits `train`"),
        (None, {"train": [numbered(3)], "test": [_UNLABELLED]}, "has no labels in its splits"),
    ],
)
def test_a_dataset_that_lacks_something_says_what(
    features: dict[str, Any] | None, splits: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_folder(tmp_path, "shapes/1.0.0", splits, features)
    with pytest.raises(ValueError, match=f"(?s)Dataset 'shapes' {message}"):
        data.load("shapes", str(tmp_path))


def test_another_file_format_is_an_error(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, "shapes/1.0.0", _SPLITS)
    info = folder / "dataset_info.json"
    info.write_text(info.read_text("utf-8").replace('"tfrecord"', '"riegeli"'), "utf-8")
    with pytest.raises(ValueError, match="'shapes' must be prepared as TFRecord files. Received: .*RIEGELI"):
        data.load("shapes", str(tmp_path))


def test_no_code_beside_the_data_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_the_data.py").write_text("raise SystemExit('code was run')", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    features = {"image": IMAGE, "label": LABEL, "extra": {"pythonClassName": "beside_the_data.Feature"}}
    write_folder(tmp_path, "shapes/1.0.0", _SPLITS, features)
    with pytest.raises(ValueError, match="is not run. Received: beside_the_data.Feature"):
        data.load("shapes", str(tmp_path))
    assert "beside_the_data" not in sys.modules
