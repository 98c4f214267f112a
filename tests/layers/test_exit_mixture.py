"""A mixture returns the prediction of the exit that a sample takes, in training the mean over exits."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import numpy_reference as reference
from tf_routing import exit_tree
from tf_routing.exit_tree import Exit, Stage
from tf_routing.layers import ExitMixture

TREE = Stage(("a",), "j", (Exit("e_1"), Stage(("b",), "k", (Exit("e_2"), Exit("e_3")))))
COUNT, CLASSES = 6, 4


def logits() -> list[np.ndarray]:
    return list(np.random.default_rng(2).normal(size=(3, COUNT, CLASSES)))


def shares() -> np.ndarray:
    """Chances of the three exits, `(exits, batch, 1)`."""
    return np.random.default_rng(3).dirichlet(np.ones(3), COUNT).T[..., None]


@pytest.mark.parametrize("activation", ["softmax", None])
def test_where_exits_are_likely_it_is_the_mean_of_their_answers(activation: str | None) -> None:
    answers, seen = ExitMixture(TREE, activation, dtype="float64")(logits(), list(shares()))
    each = np.stack([reference.softmax(own) if activation else own for own in logits()])
    np.testing.assert_allclose(np.asarray(answers), (shares() * each).sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(seen), np.stack(logits(), axis=1))
    if activation:
        np.testing.assert_allclose(np.asarray(answers).sum(axis=1), 1, rtol=1e-12)


def test_where_one_exit_is_taken_it_is_its_answer() -> None:
    chosen = np.arange(COUNT) % 3
    reaches = list(np.eye(3)[chosen].T[..., None])
    answers, _ = ExitMixture(TREE, dtype="float64")(logits(), reaches)
    expected = reference.softmax(np.stack(logits())[chosen, np.arange(COUNT)])
    np.testing.assert_allclose(np.asarray(answers), expected, rtol=1e-12)


def test_a_tree_is_taken_as_a_configuration_too() -> None:
    from_config = ExitMixture(exit_tree.to_config(TREE))
    assert from_config.tree == TREE == ExitMixture(TREE).tree
    again = ExitMixture.from_config(from_config.get_config())
    assert again.tree == TREE and again.get_config() == from_config.get_config()


def test_it_shows_the_logits_of_all_exits() -> None:
    mixture = ExitMixture(TREE)
    outputs = mixture([keras.Input((CLASSES,))] * 3, [keras.Input((1,))] * 3)
    assert [each.shape for each in outputs] == [(None, CLASSES), (None, 3, CLASSES)]
    assert mixture.observed(outputs) == {"exit_logits": outputs[1]}


@pytest.mark.parametrize(("count", "reaches"), [(2, 2), (3, 2), (4, 3)])
def test_other_numbers_of_tensors_are_named(count: int, reaches: int) -> None:
    message = f"ExitMixture of 3 exits takes as many logits and reaches. Received: {count} and {reaches}"
    given: list[Any] = [np.zeros((1, CLASSES), "float32")] * count, [np.ones((1, 1), "float32")] * reaches
    with pytest.raises(ValueError, match=message):
        ExitMixture(TREE)(*given)
