"""Tables of categories, the built-in one against the dataset itself."""

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.prepared_data import FOLDER
from tf_routing.objectives import load_categories
from tf_routing.objectives.categories import name_categories


def test_the_superclasses_of_cifar100_hold_five_classes_each() -> None:
    assert Counter(load_categories("cifar100", 100)) == dict.fromkeys(range(20), 5)
    assert len(set(name_categories("cifar100", range(20)))) == 20


def test_the_superclasses_of_cifar100_are_the_datasets_own() -> None:
    if not Path(FOLDER, "cifar100").is_dir():
        pytest.skip("cifar100 is not prepared: set TFDS_DATA_DIR to a TensorFlow Datasets folder that holds it.")
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar100", data_dir=FOLDER)
    unread = {"image": tfds.decode.SkipDecoding()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = builder.as_dataset(split="test", decoders=unread).batch(10000).get_single_element()
    labels = np.asarray(images["label"])
    assert set(labels.tolist()) == set(range(100))
    np.testing.assert_array_equal(np.array(load_categories("cifar100", 100))[labels], images["coarse_label"])
    assert name_categories("cifar100", range(20)) == builder.info.features["coarse_label"].names


@pytest.mark.parametrize("table", [[2, 0, 1, 0], (0, 0, 0, 3), np.array([1, 0, 0, 2])])
def test_a_table_may_be_a_list(table: Any) -> None:
    loaded = load_categories(table, 4)
    assert loaded == list(table) and loaded is not table
    assert name_categories(table, table) == [str(number) for number in range(max(table) + 1)]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_table_may_be_a_file(kind: type, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text("[1, 0, 1]", "utf-8")
    assert load_categories(kind(file), 3) == [1, 0, 1]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"`categories` names no file: .*nowhere\.json"):
        load_categories(tmp_path / "nowhere.json", 3)


@pytest.mark.parametrize("name", ["cifar10", "imagenet", "table.txt"])
def test_an_unknown_name_lists_the_known_and_says_what_a_path_is(name: str) -> None:
    with pytest.raises(ValueError, match=rf"Unknown table of categories '{name}'.*cifar100.*end in '\.json'"):
        load_categories(name, 100)


@pytest.mark.parametrize("content", [{"a": 0}, 3, "cifar100"])
def test_a_file_that_holds_no_list_is_named(content: Any, tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match=rf"table\.json must hold a list .*Received: {type(content).__name__}"):
        load_categories(file, 3)


@pytest.mark.parametrize("table", [[0, -1], [0, 0.5], [0, True], [0, "1"], [0, None]])
def test_entries_that_are_no_categories_are_shown(table: list[Any]) -> None:
    with pytest.raises(ValueError, match="`categories` must hold integers counted from 0. Received: .*0, "):
        load_categories(table, 2)


@pytest.mark.parametrize(("table", "classes", "count"), [([0, 1], 3, 2), ([], 1, 0), ("cifar100", 10, 100)])
def test_a_table_of_another_length_is_named(table: Any, classes: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"for each of {classes} classes. Received: {count} categories"):
        load_categories(table, classes)
