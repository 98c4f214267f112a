"""What `conftest.py` takes for granted: files that run first are there, and TensorFlow has its seed where it is set."""

from pathlib import Path

import keras
import tensorflow as tf

from tests.conftest import LONGEST


def test_the_longest_files_exist() -> None:
    assert [name for name in LONGEST if not (Path(__file__).parent / name).is_file()] == []


def test_a_seed_gives_the_same_draws_and_shuffles() -> None:
    def draws(seed: int) -> list[list[float]]:
        keras.utils.set_random_seed(seed)
        shuffled = tf.data.Dataset.range(20).shuffle(20)
        return [keras.random.uniform((20,)).numpy().tolist(), [int(each) for each in shuffled]]

    first, other = draws(1), draws(2)
    assert draws(1) == first
    assert all(one != two for one, two in zip(first, other, strict=True))
