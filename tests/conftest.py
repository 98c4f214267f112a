"""Every test draws the same numbers, alone or among others, and the longest files run first."""

import gc
from collections.abc import Iterator
from unittest import mock

import keras
import pytest
import tensorflow as tf

from tests.eager import eager
from tests.list_slow import read_slow

# With several processes a file stays in one of them (`--dist loadfile`), so that what its tests share is made once. The
# files that take longest come first: one that began last would keep a single process busy while the others wait.
LONGEST = (
    "train/test_resume.py",
    "train/test_jax_fit.py",
    "evaluation/test_evaluate.py",
    "execution/test_onednn.py",
    "conformance/test_replicas.py",
    "conformance/test_jax.py",
    "studies/test_study.py",
    "data/test_file_pipeline.py",
    "figures/test_multipath_figures.py",
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Before pytest deselects by markers.
    slow = read_slow()
    for item in items:
        if item.nodeid in slow:
            item.add_marker("slow")
    places = {f"tests/{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


def pytest_collection_finish() -> None:
    # What was imported stays until the end: searching its half a million objects again and again finds no garbage.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _seed_file() -> None:
    # TensorFlow forgets its kernels and optimized functions at every seed, since those of stateful random operations
    # count their draws. Making them again took a quarter of the tests' time, so it happens once per file.
    keras.utils.set_random_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    # Before the fixtures: what a module's fixture draws must not depend on the test that needed it first. TensorFlow
    # keeps its seed (see above): all noise here is drawn by stateless operations, from seeds of Keras.
    with mock.patch.object(tf.random, "set_seed"):
        keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def eagerly() -> Iterator[None]:
    """Trains without graphs: for files whose subject is what is around a training of a few steps."""
    with eager():
        yield


@pytest.fixture
def in_graphs(eagerly: None) -> Iterator[None]:
    """Trains with graphs in a file that otherwise trains `eagerly`: for the tests whose subject they are."""
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)
