"""Rows that chose a function, and only those, become what it returns, a bucket of them after the other."""

import importlib.util
import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.bucket_rows import BATCHES, draw, expect, function
from tests.snippets import run_snippet
from tf_routing.execution.static_rows import bucket_size, runs_in_buckets, update_rows

WAYS = ("eager", "graph", "xla")
_JAX = """
import json

import jax
import numpy as np
from tests.bucket_rows import BATCHES, draw, expect, function
from tf_routing.execution.static_rows import update_rows

report = {"apart": [], "rows": [], "slopes": []}
for batch in BATCHES[::2]:
    seen = []

    def counted(*given):
        # Called by what runs, once for every time it does.
        jax.debug.callback(lambda rows: seen.append(len(rows)), given[0])
        return function(*given)

    def run(inputs, is_open, before):
        return update_rows(counted, [*inputs, before[0]], is_open, before)

    for is_open, inputs, before in draw(batch):
        own = jax.jit(run)
        expected = expect(is_open, inputs, before)
        for way in (own, run):
            seen.clear()
            found = way(inputs, is_open, before)
            jax.effects_barrier()
            report["apart"].append(max(float(np.abs(a - b).max()) for a, b in zip(found, expected)))
            report["rows"].append([batch, int(is_open.sum()), list(seen)])

    def loss(way, inputs):
        weights = np.arange(1, batch + 1)[:, None]
        return sum((weights * each**2).sum() for each in way(inputs, is_open, [inputs[0], before[1]]))

    def masked(inputs, is_open, before):
        results = function(*inputs, before[0])
        return [jax.numpy.where(is_open[:, None], new, old) for new, old in zip(results, before)]

    slopes = [jax.grad(lambda inputs: loss(way, inputs))(inputs) for way in (own, masked)]
    report["slopes"].append(max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(*slopes)))
    assert all(np.abs(each).max() > 0.1 for each in slopes[0])
print(json.dumps(report))
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batch", BATCHES)
def test_rows_that_chose_are_what_the_function_returns_and_others_stay(batch: int, way: str) -> None:
    seen: list[int] = []

    def counted(*given: Any) -> list[Any]:
        """Counts its rows where it is run, or traced."""
        seen.append(given[0].shape[0])
        return function(*given)

    def run(is_open: Any, inputs: list[Any], before: list[Any]) -> list[Any]:
        """Updates what it reads, too."""
        return update_rows(counted, [*inputs, before[0]], is_open, before)

    called = run if way == "eager" else tf.function(run, jit_compile=way == "xla", autograph=False)
    for is_open, inputs, before in draw(batch):
        seen.clear()
        tensors = [[tf.constant(each) for each in group] for group in (inputs, before)]
        found = called(tf.constant(is_open), *tensors)
        for new, right in zip(found, expect(is_open, inputs, before), strict=True):
            np.testing.assert_array_equal(new, right)
        size = bucket_size(batch)
        if way == "eager":
            assert seen == [size] * -(-is_open.sum() // size)
        else:
            # It is in there once, whatever the number of buckets.
            assert seen in ([size], [])


@pytest.mark.parametrize("way", ["graph", "xla"])
def test_gradients_are_those_of_the_rows_that_chose(way: str) -> None:
    [*_, (is_open, inputs, before)] = draw(33)

    def slopes(first: Any) -> Any:
        """The gradient of the updated rows by what the function reads."""
        with tf.GradientTape() as tape:
            tape.watch(first)
            results = update_rows(function, [first, inputs[1], before[0]], tf.constant(is_open), before)
            weighted = [3 * results[0], results[1]]
        return tape.gradient(weighted, first)

    found = tf.function(slopes, jit_compile=way == "xla", autograph=False)(tf.constant(inputs[0]))
    # The results are 2 a + b + c and half the sum of a and b.
    np.testing.assert_allclose(found, np.where(is_open[:, None], 3 * 2 + 1 / 2, 0) * np.ones_like(inputs[0]))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_runs_as_many_buckets_as_are_filled_and_can_be_differentiated() -> None:
    report = json.loads(run_snippet(_JAX, backend="jax").splitlines()[-1])
    assert max(report["apart"]) == 0 and max(report["slopes"]) <= 1e-5
    for batch, count, rows in report["rows"]:
        size = bucket_size(batch)
        assert rows == [size] * -(-count // size), (batch, count)
    assert len(report["rows"]) == 2 * sum(len(draw(batch)) for batch in BATCHES[::2])


def test_nothing_is_moved_where_the_number_of_rows_is_not_known_or_none() -> None:
    is_open, inputs, before = draw(5)[-1]
    seen: list[Any] = []

    def run(is_open: Any, first: Any, second: Any, old: Any, older: Any) -> list[Any]:
        """Takes any number of rows."""

        def counted(*given: Any) -> list[Any]:
            seen.append(given[0].shape[0])
            return function(*given)

        return update_rows(counted, [first, second, old], is_open, [old, older])

    signature = [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in (is_open, *inputs, *before)]
    called = tf.function(run, signature, autograph=False)
    for count in (5, 2, 0):
        given = [each[:count] for each in (is_open, *inputs, *before)]
        for found, right in zip(called(*given), expect(given[0], given[1:3], given[3:]), strict=True):
            np.testing.assert_array_equal(found, right)
    assert set(seen) == {None}
    assert [each.shape for each in run(*(tf.constant(each[:0]) for each in (is_open, *inputs, *before)))] == [
        (0, 3),
        (0, 1),
    ]


def test_buckets_hold_a_sixteenth_of_a_batch_and_at_least_a_row() -> None:
    for batch in range(1, 300):
        size = bucket_size(batch)
        assert 1 <= size <= batch and (size - 1) * 16 < batch <= size * 16


def test_on_tensorflow_buckets_are_of_batches_of_a_known_size() -> None:
    assert runs_in_buckets("buckets", 4) and not runs_in_buckets("buckets", None) and not runs_in_buckets("rows", 4)
