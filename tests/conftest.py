"""Every test draws the same numbers, alone or among others, and the longest files run first."""

import gc
import random
from collections.abc import Iterator

import keras
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

# With several processes a file stays in one of them (`--dist loadfile`), so that what its tests share is made once. The
# files that take longest come first: one that began last would keep a single process busy while the others wait.
LONGEST = (
    "train/test_resume.py",
    "train/test_jax_fit.py",
    "execution/test_onednn.py",
    "conformance/test_replicas.py",
    "conformance/test_jax.py",
    "train/test_loop.py",
    "conformance/test_seeds.py",
    "models/test_training_state.py",
    "train/test_determinism.py",
    "models/test_gradient_factors.py",
    "exporting/test_callable_root.py",
    "conformance/test_export.py",
    "execution/test_sparse.py",
    "execution/test_sparse_exits.py",
    "zoo/test_counts.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"tests/{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    # What was imported stays until the end: searching its half a million objects again and again finds no garbage.
    gc.collect()
    gc.freeze()


def seed_and_keep_kernels(seed: int) -> None:
    """Sets the seed of TensorFlow as `tf.random.set_seed` does, except that it forgets no kernel.

    TensorFlow drops its kernels and optimized functions at every seed, since those of stateful random operations count
    their draws, and making them again took a quarter of the tests' time. There are no such operations here: all noise
    is drawn by stateless ones. One that came in would go on drawing from test to test, and no longer equal itself.
    """
    if not tf.executing_eagerly():
        # It is the seed of a graph then.
        seed_and_forget_kernels(seed)
        return
    eager = context.context()
    eager._seed, eager._rng = seed, random.Random(seed)


seed_and_forget_kernels = tf.random.set_seed
tf.random.set_seed = seed_and_keep_kernels


@pytest.fixture(scope="module", autouse=True)
def _forget_kernels() -> None:
    # The next file needs few of them, and memory is short where several processes test.
    seed_and_forget_kernels(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    # Before the fixtures: what a module's fixture draws must not depend on the test that needed it first.
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def eagerly() -> Iterator[None]:
    """Trains without graphs: for files whose subject is what is around a training of a few steps.

    Tracing the steps of a small net takes ten times as long as running them.
    """
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
