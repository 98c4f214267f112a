"""Names are listed, filtered and, where wrong, suggested."""

import pytest

from tf_routing import zoo


def test_names_are_listed_once_and_in_the_order_of_the_tables() -> None:
    names = zoo.list_models()
    assert len(set(names)) == len(names)
    assert names[0] == "basecnn"
    assert names.index("basecnn_2cp") < names.index("basecnn_2cc") < names.index("resnet20_2cp")
    assert names.index("resnet20_2cp") < names.index("resnet20_2cc") < names.index("resnet50_2cc")


def test_a_pattern_filters() -> None:
    assert zoo.list_models("resnet20_*cc") == ["resnet20_2cc", "resnet20_3cc", "resnet20_4cc"]
    assert zoo.list_models("basecnn_[23]cp") == ["basecnn_2cp", "basecnn_3cp"]
    assert zoo.list_models("basecnn") == ["basecnn"]
    assert zoo.list_models("RESNET*") == []
    assert zoo.list_models("nothing*") == []


def test_a_family_filters() -> None:
    multipath = zoo.list_models(family="multipath")
    assert {"basecnn_2cc", "resnet50_2cc", "all_ensemble"} <= set(multipath) <= set(zoo.list_models())
    assert zoo.list_models("resnet20_2*", family="multipath") == ["resnet20_2cp", "resnet20_2cc"]


def test_an_unknown_family_lists_close_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown family 'multipaths'.*multipath"):
        zoo.list_models(family="multipaths")


def test_the_list_is_the_callers_own() -> None:
    zoo.list_models().clear()
    assert zoo.list_models()
