"""Argument checks name the argument, show what they got and say what they accept."""

from typing import Any

import numpy as np
import pytest

from tf_routing.support.validation import (
    not_negative,
    not_negative_integer,
    one_of,
    plain,
    positive_integer,
    positive_number,
    seed_or_none,
    unknown,
)


def test_close_matches_come_first() -> None:
    message = unknown("model", "basecn", ["resnet20", "widecnn", "basecnn"])
    assert message.startswith("Unknown model 'basecn'. Did you mean: basecnn")
    assert "resnet20" not in message


def test_without_close_matches_all_are_listed() -> None:
    assert unknown("model", "xyz", ["beta", "alpha"]) == "Unknown model 'xyz'. Known: alpha, beta."
    assert unknown("model", "xyz", []) == "Unknown model 'xyz'. Known: none."


def test_of_many_names_none_is_listed_where_none_is_close() -> None:
    many = [f"network_{number}" for number in range(70)]
    assert unknown("model", "xyz", many, "`list` shows all.") == (
        "Unknown model 'xyz', and none of the 70 known is close. `list` shows all."
    )
    assert unknown("model", "vgg", ["vgg16_of_the_paper", *many]).endswith("Did you mean: vgg16_of_the_paper?")


def test_one_of() -> None:
    assert one_of("mode", "a", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="`mode` must be one of 'a', 'b'. Received: mode='c'"):
        one_of("mode", "c", iter(("a", "b")))


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_positive_integer(value: Any) -> None:
    assert positive_integer("count", 3) == 3
    with pytest.raises(ValueError, match=f"`count` must be a positive integer. Received: count={value!r}"):
        positive_integer("count", value)


@pytest.mark.parametrize("value", [0, -0.5, float("nan"), "1", True, None])
def test_positive_number(value: Any) -> None:
    assert positive_number("width", 0.5) == 0.5
    assert positive_number("width", 2) == 2
    with pytest.raises(ValueError, match=f"`width` must be a positive number. Received: width={value!r}"):
        positive_number("width", value)


@pytest.mark.parametrize("value", [float("inf"), np.float32("inf")])
def test_numbers_are_finite(value: Any) -> None:
    for check in (positive_number, not_negative):
        assert check("weight", 10**400) == 10**400
        with pytest.raises(ValueError, match=r"`weight` must be finite. Received: weight=.*inf"):
            check("weight", value)


@pytest.mark.parametrize("integer", [np.int64(3), np.uint8(3), np.array(3)])
def test_numpys_integers_are_integers(integer: Any) -> None:
    for check in (positive_integer, not_negative_integer):
        assert type(check("count", integer)) is int and check("count", integer) == 3
    for check in (positive_number, not_negative):
        assert type(check("width", integer)) is int and check("width", integer) == 3
    assert seed_or_none(integer) == 3


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.float16(0.5)])
def test_numpys_floats_are_numbers_and_no_integers(number: Any) -> None:
    for check in (positive_number, not_negative):
        assert type(check("width", number)) is float and check("width", number) == 0.5
    for check in (positive_integer, not_negative_integer):
        with pytest.raises(ValueError, match="`count`"):
            check("count", number)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, [3], np.array([3])])
def test_booleans_texts_and_lists_are_no_numbers(value: Any) -> None:
    for check in (positive_integer, not_negative_integer, positive_number, not_negative):
        with pytest.raises(ValueError, match="`count`"):
            check("count", value)


def test_plain_leaves_what_is_no_number() -> None:
    kept = object()
    given = {"a": (np.int64(1), [np.float32(0.5)]), "b": kept, "c": np.array([[1.0, 2.0]]), "d": "text", "e": True}
    found = plain(given)
    assert found == {"a": (1, [0.5]), "b": kept, "c": [[1.0, 2.0]], "d": "text", "e": True}
    assert type(found["a"][0]) is int and type(found["c"]) is list
