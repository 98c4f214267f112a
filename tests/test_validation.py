"""Argument checks name the argument, show what they got and say what they accept."""

from typing import Any

import pytest

from tf_routing.validation import one_of, positive_integer, positive_number, unknown


def test_close_matches_come_first() -> None:
    message = unknown("model", "basecn", ["resnet20", "widecnn", "basecnn"])
    assert message.startswith("Unknown model 'basecn'. Did you mean: basecnn")
    assert "resnet20" not in message


def test_without_close_matches_all_are_listed() -> None:
    assert unknown("model", "xyz", ["beta", "alpha"]) == "Unknown model 'xyz'. Known: alpha, beta."
    assert unknown("model", "xyz", []) == "Unknown model 'xyz'. Known: none."


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
