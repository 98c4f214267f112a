"""Sets that are made of MNIST and CIFAR-10: counts, labels, colours."""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf

from tests.data.prepared_data import FOLDER, load_or_skip
from tf_routing.data import Dataset, ImageSet
from tf_routing.data.sources import hybrid
from tf_routing.data.sources.hybrid import recolour


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """Reads what sets are made of once: decoding sixty thousand pictures is all that they take time for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hybrid, "load_arrays", functools.cache(hybrid.load_arrays))
        yield


def test_the_hybrid_set_has_the_papers_counts() -> None:
    mixed = load_or_skip("hybrid")
    assert (mixed.train.image_count, mixed.test.image_count) == (55_596, 10_139)
    assert mixed.class_names == ["0", "1", "2", "3", "4", "airplane", "automobile", "deer", "frog", "horse"]
    assert mixed.mirrors == (False,) * 5 + (True,) * 5
    assert np.bincount(mixed.test.labels)[5:].tolist() == [1000] * 5
    assert (mixed.train.labels < 5).sum() == 30_596


@pytest.mark.heavy
def test_photographs_of_the_hybrid_set_are_those_of_cifar() -> None:
    mixed, cifar = load_or_skip("hybrid"), hybrid.load_arrays("cifar10", FOLDER, mirrors=True)
    deer = mixed.test.images[mixed.test.labels == mixed.class_names.index("deer")]
    np.testing.assert_array_equal(deer, cifar.test.images[cifar.test.labels == cifar.class_names.index("deer")])


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        pytest.param("cifar2", [1000, 9000], marks=pytest.mark.heavy),
        ("cifar5", [1000, 1000, 1000, 1000, 6000]),
    ],
)
def test_grouped_classes(name: str, shares: list[int]) -> None:
    grouped, cifar = load_or_skip(name), hybrid.load_arrays("cifar10", FOLDER, mirrors=True)
    assert np.bincount(grouped.test.labels).tolist() == shares
    assert grouped.class_names[-1] == "other" and grouped.mirrors is True
    for label, own in enumerate(grouped.class_names[:-1]):
        np.testing.assert_array_equal(grouped.train.labels == label, cifar.train.labels == cifar.class_names.index(own))


def test_digits_are_mixed_of_two_colours_that_differ() -> None:
    digits = np.random.default_rng(0).integers(0, 256, (200, 28, 28, 1)).astype("uint8")
    digits[:, 0, 0], digits[:, 0, -1] = 0, 255
    # A corner keeps its value where pixels are enlarged by repeating the edge.
    digits[:, :2, :2], digits[:, :2, -2:] = 0, 255
    light = (recolour(digits, seed=3) / 255) ** 2.2
    background, ink = light[:, 0, 0], light[:, 0, -1]
    distances = np.linalg.norm(ink - background, axis=1)
    assert distances.min() >= 0.3 - 0.02
    assert background.min() >= 0 and ink.max() <= 1
    shares = tf.image.resize(digits.astype("float32") / 255, (32, 32)).numpy()
    expected = background[:, None, None] + (ink - background)[:, None, None] * shares
    # Bytes hold light to about one per cent where it is bright.
    np.testing.assert_allclose(light, expected, atol=0.02)


def test_colours_are_evenly_drawn_and_repeat() -> None:
    digits = np.zeros((2000, 28, 28, 1), "uint8")
    one, other = recolour(digits, seed=0), recolour(digits, seed=0)
    np.testing.assert_array_equal(one, other)
    assert (recolour(digits, seed=1) != one).any()
    light = (one[:, 0, 0] / 255) ** 2.2
    np.testing.assert_allclose(light.mean(axis=0), 0.5, atol=0.03)


def test_test_digits_have_other_colours_than_training_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = ImageSet(np.zeros((20, 28, 28, 1), "uint8"), np.arange(20) % 10)
    photographs = ImageSet(np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10)
    names = {"mnist": list("0123456789"), "cifar10": [*hybrid._PHOTOGRAPHS, *"abcde"]}
    sets = {"mnist": digits, "cifar10": photographs}
    monkeypatch.setattr(
        hybrid, "load_arrays", lambda name, _, mirrors: Dataset(name, sets[name], sets[name], names[name], mirrors)
    )
    mixed = hybrid.load_hybrid(None)
    train, test = (part.images[part.labels < 5][:, 0, 0] for part in (mixed.train, mixed.test))
    # Of as many equal digits no two backgrounds are alike.
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == len(train) + len(test) == 20
