"""Names are listed, filtered and, where wrong, suggested."""

import numpy as np
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


def test_what_is_trained_is_listed_with_its_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_ROUTING_SAVED_MODELS", raising=False)
    names = zoo.list_models(pretrained=True)
    assert {"drn_resnet32.cifar10", "decide_chain8.hybrid", "resnet50.imagenet"} <= set(names)
    assert names == [f"{name}.{tag}" for name in zoo.list_models() for tag in zoo.card(name).weights]
    assert zoo.list_models("*.cifar10", family="drn", pretrained=True) == ["drn_resnet32.cifar10"]


def test_a_name_with_a_tag_brings_its_weights() -> None:
    tagged, named = zoo.get("decide_chain8.hybrid"), zoo.get("decide_chain8", weights="hybrid")
    assert tagged.name == named.name
    for one, other in zip(tagged.get_weights(), named.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="`weights` are named twice, by decide_chain8.hybrid and by weights='mnist'"):
        zoo.get("decide_chain8.hybrid", weights="mnist")
    with pytest.raises(ValueError, match="no released weights|Unknown tag.*'hybrd'.*hybrid"):
        zoo.get("decide_chain8.hybrd")


def test_an_unknown_family_lists_close_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown family 'multipaths'.*multipath"):
        zoo.list_models(family="multipaths")


def test_the_list_is_the_callers_own() -> None:
    zoo.list_models().clear()
    assert zoo.list_models()
