"""Tables of categories, the built-in one against the dataset itself."""

import importlib
import json
import warnings
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.data.prepared_data import FOLDER
from tf_routing.objectives import load_categories
from tf_routing.objectives.categories import name_categories

_DOCS = Path(__file__).parents[2] / "docs"
# Where the package of Debian puts it.
_WORDNET = Path("/usr/share/wordnet")


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


@pytest.fixture(scope="module")
def wordnet() -> ModuleType:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(_DOCS))
        return importlib.import_module("imagenet_categories")


def test_the_classes_of_imagenet_have_58_categories_of_like_sizes() -> None:
    sizes = Counter(load_categories("imagenet2012", 1000))
    assert set(sizes) == set(range(58))
    assert max(sizes.values()) <= 27
    names = name_categories("imagenet2012", range(58))
    assert len(set(names)) == 58
    # Tench and goldfish, magpie, Siamese cat, trilobite.
    named = [names[load_categories("imagenet2012", 1000)[number]] for number in (0, 1, 18, 284, 69)]
    assert named == ["aquatic_vertebrate", "aquatic_vertebrate", "passerine", "feline", "arthropod"]


def test_the_largest_category_loses_the_part_nearest_to_half_of_it(wordnet: ModuleType) -> None:
    # By hand: of the seven leaves below 1, three are below 2 and four below 3, and of these three below 4.
    above = {10: [2, 1], 11: [2, 1], 12: [2, 1], 13: [4, 3, 1], 14: [4, 3, 1], 15: [4, 3, 1], 16: [3, 1]}
    ancestors = {leaf: [leaf, *line] for leaf, line in above.items()}
    assert wordnet.divide_classes(ancestors, 1) == [1] * 7
    # 2 and 3 are as near to three and a half: that which is numbered first leaves.
    assert wordnet.divide_classes(ancestors, 2) == [2, 2, 2, 1, 1, 1, 1]
    # Of four leaves nearest to two are three; a single one, 13 or 16, is as near, but numbered later.
    assert wordnet.divide_classes(ancestors, 3) == [2, 2, 2, 4, 4, 4, 1]
    # Of two categories of three leaves that which is numbered first is divided.
    assert wordnet.divide_classes(ancestors, 4) == [10, 2, 2, 4, 4, 4, 1]


def test_a_noun_has_its_first_word_and_hypernym(wordnet: ModuleType, tmp_path: Path) -> None:
    lines = [
        "  1 A licence, whose lines begin with spaces.",
        "00000010 03 n 02 cat 0 true_cat 0 003 ~ 00000020 n 0000 @ 00000030 n 0000 @ 00000040 n 0000 | a | b",
        "00000020 03 n 01 Tom 1 001 @i 00000010 n 0000 | of that kind",
        "00000030 03 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 001 @ 00000050 n 0000 | ten words, in hexadecimal",
        "00000050 03 n 01 root 0 000 | with nothing above",
    ]
    (tmp_path / "data.noun").write_text("\n".join(lines), "utf-8")
    names, hypernyms = wordnet.read_nouns(tmp_path / "data.noun")
    assert names == {10: "cat", 20: "Tom", 30: "a", 50: "root"}
    assert hypernyms == {10: 30, 20: 10, 30: 50}
    assert wordnet.list_ancestors(20, hypernyms) == [20, 10, 30, 50]


@pytest.mark.skipif(not _WORDNET.is_dir(), reason="WordNet 3.0 is not installed")
def test_the_categories_of_imagenet_are_those_of_the_rule(wordnet: ModuleType) -> None:
    names, hypernyms = wordnet.read_nouns(_WORDNET / "data.noun")
    ancestors = {each: wordnet.list_ancestors(each, hypernyms) for each in wordnet.read_classes()}
    assert len(ancestors) == 1000
    roots = wordnet.divide_classes(ancestors, 58)
    order = sorted(set(roots))
    assert [order.index(root) for root in roots] == load_categories("imagenet2012", 1000)
    assert [names[root] for root in order] == name_categories("imagenet2012", range(58))


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


@pytest.mark.parametrize("name", ["cifar10", "places365", "table.txt"])
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
