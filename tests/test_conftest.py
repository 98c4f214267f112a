"""What `conftest.py` takes for granted: files that run first are there, and every test draws the same numbers."""

import random
from pathlib import Path

import keras
import numpy as np

from tests.conftest import LONGEST, pytest_runtest_setup


def test_the_longest_files_exist() -> None:
    assert [name for name in LONGEST if not (Path(__file__).parent / name).is_file()] == []


def _draw() -> list[float]:
    dense, noise = keras.layers.Dense(1), keras.layers.GaussianNoise(1.0)
    weights = [float(dense(np.ones((1, 1)))[0, 0]), float(noise(np.zeros((1, 1)), training=True)[0, 0])]
    return [random.random(), np.random.uniform(), float(keras.random.uniform(())), *weights]


def test_a_test_draws_what_it_would_draw_alone() -> None:
    pytest_runtest_setup()
    first, second = _draw(), _draw()
    assert all(one != other for one, other in zip(first, second, strict=True))
    pytest_runtest_setup()
    assert _draw() == first
