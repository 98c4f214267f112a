"""Under XLA, on TensorFlow and on JAX, nets skip what they skip elsewhere, and compute what they compute masked."""

import importlib.util
import json
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.compiled_nets import COUNTS, NETS, branches, compiled, convolved_rows, differences, in_zoo
from tests.conformance.subjects import GATED, marked
from tests.execution.split_nets import decided, mixed_net, rows_run
from tests.execution.split_nets import images as split_images
from tests.snippets import run_snippet
from tf_routing.execution.static_rows import bucket_sizes

ZOO = [*(name.values[0] if hasattr(name, "values") else name for name in marked(GATED)), "decide_tree"]
_ON_JAX = """
import json
import sys

import keras
from tests.compiled_nets import NETS, differences, in_zoo

assert keras.backend.backend() == "jax"
counts, name = json.loads(sys.argv[1]), sys.argv[2]
print(json.dumps({name: differences(*(NETS[name]() if name in NETS else in_zoo(name)), counts)}))
"""


_FEW = COUNTS[:-1]


def _some(*names: str) -> list[Any]:
    """Names of small nets and counts of images: by default some with few images, since XLA takes seconds for each.

    On JAX `tests/execution/test_block_loops.py` compiles one more that skips.
    """
    heavy = [pytest.param(name, COUNTS, marks=pytest.mark.heavy) for name in NETS]
    return [*((name, _FEW) for name in names), *heavy]


def assert_same(report: dict[str, Any], classes: int, counts: Sequence[int] = COUNTS) -> None:
    for count in counts:
        found = report[str(count)]
        assert found["differ"] == 0 and found["apart"] <= 1e-5, (count, found)
        assert found["shapes"] == [[count, classes]] * 2


@pytest.mark.parametrize(("name", "counts"), _some("skip", "split", "chain"))
def test_sparse_equals_masked_on_tensorflow(name: str, counts: Sequence[int]) -> None:
    model, images = NETS[name]()
    assert_same(differences(model, images, counts), model.output_shape[-1], counts)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize(("name", "counts"), _some("split", "chain"))
def test_sparse_equals_masked_on_jax(name: str, counts: Sequence[int]) -> None:
    report = json.loads(run_snippet(_ON_JAX, json.dumps(counts), name, backend="jax").splitlines()[-1])
    assert_same(report[name], NETS[name]()[0].output_shape[-1], counts)


@pytest.mark.heavy
@pytest.mark.parametrize("name", ZOO)
def test_sparse_equals_masked_in_the_zoo(name: str) -> None:
    model, images = in_zoo(name)
    assert_same(differences(model, images), model.output_shape[-1])


@pytest.mark.heavy
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize("name", ZOO)
def test_sparse_equals_masked_in_the_zoo_on_jax(name: str) -> None:
    report = json.loads(run_snippet(_ON_JAX, json.dumps(COUNTS), name, backend="jax").splitlines()[-1])
    assert_same(report[name], 5)


def test_each_size_of_each_part_is_a_branch_of_a_conditional() -> None:
    model, images = mixed_net(), split_images(40)
    model.execution = "sparse"
    run = tf.function(lambda x: model(x, training=False), jit_compile=True, autograph=False)
    text = run.experimental_get_compiler_ir(tf.constant(images[:16]))(stage="hlo")
    rows = convolved_rows(text)
    # A part has two convolutions, and runs on 0, 2, 4, 6, 8, 12 or 16 rows; there are two blocks of two parts.
    assert [[rows[name] for name in names] for names in branches(text)] == [
        [[size] * 2 if size else [] for size in bucket_sizes(16)]
    ] * 4
    # Outside of conditions only the stem convolves.
    inside = {name for names in branches(text) for name in names}
    assert [found for name, found in rows.items() if name not in inside and found] == [[16]]


def test_masked_runs_all_rows_and_has_no_condition() -> None:
    model, images = mixed_net(), split_images(40)
    model.execution = "masked"
    run = tf.function(lambda x: model(x, training=False), jit_compile=True, autograph=False)
    text = run.experimental_get_compiler_ir(tf.constant(images[:16]))(stage="hlo")
    assert branches(text) == [] and [*chain(*convolved_rows(text).values())] == [16] * 9


def test_a_model_compiled_with_xla_skips_and_its_last_batch_may_be_smaller() -> None:
    model, images = NETS["skip"]()
    model.execution = "masked"
    expected = model.predict(images, batch_size=16, verbose=0)
    model.execution = "sparse"
    model.compile("sgd", jit_compile=True)
    assert model.jit_compile is True
    found = model.predict(images, batch_size=16, verbose=0)
    assert np.abs(found - expected).max() <= 1e-5


def test_a_batch_of_any_size_runs_masked_under_xla_and_skips_elsewhere() -> None:
    model, images = NETS["split"]()
    expected = compiled(model, "masked")(images)["probabilities"]
    model.set_execution("sparse", "buckets")
    signature = [tf.TensorSpec((None, *images.shape[1:]))]
    for jit in (True, False):
        run = tf.function(lambda x: model(x, training=False), signature, jit_compile=jit, autograph=False)
        for count in (0, 1, 40):
            difference = np.abs(np.asarray(run(tf.constant(images[:count]))) - expected[:count])
            assert difference.max(initial=0) <= 1e-5 * np.abs(expected).max(), (jit, count)


def test_training_stays_masked() -> None:
    model, images = NETS["split"]()
    model.execution = "sparse"
    run = tf.function(lambda x: model(x, training=True), jit_compile=True, autograph=False)
    assert branches(run.experimental_get_compiler_ir(tf.constant(images[:16]))(stage="hlo")) == []


@pytest.mark.parametrize("count", [1, 17, 40])
def test_parts_run_on_the_next_size(count: int) -> None:
    model, images = mixed_net(), split_images(40)
    chosen = decided(model, images[:count])
    model.set_execution("sparse", "buckets", "whole")
    rows_run(model)
    model(images[:count], training=False)
    sizes = np.array(bucket_sizes(count))
    np.testing.assert_array_equal(rows_run(model), sizes[np.searchsorted(sizes, chosen)])
    assert count == 1 or (chosen < count).all()


def test_sizes_hold_none_and_all_and_waste_less_than_a_quarter() -> None:
    for batch in range(1, 300):
        sizes = bucket_sizes(batch)
        assert sizes[0] == 0 and sizes[-1] == batch and len(sizes) <= 7
        assert max(after - before for before, after in pairwise(sizes)) <= -(-batch // 4)
