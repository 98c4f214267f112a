"""Under XLA, on TensorFlow and on JAX, nets skip what they skip elsewhere, and compute what they compute masked."""

import importlib.util
import json
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.compiled_nets import COUNTS, NETS, compiled, convolved_rows, differences, in_zoo, loops, save_weights
from tests.conformance.subjects import GATED, GATED_LEFT_OUT
from tests.execution.split_nets import decided, mixed_net, rows_run
from tests.execution.split_nets import images as split_images
from tests.snippets import run_snippet
from tf_routing.execution.static_rows import bucket_size

ZOO = [*GATED, *GATED_LEFT_OUT]
_NEEDS_JAX = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
_ON_JAX = """
import json
import sys

import keras
from tests.compiled_nets import NETS, differences

assert keras.backend.backend() == "jax"
print(json.dumps(differences(*NETS[sys.argv[1]](), json.loads(sys.argv[2]))))
"""
# Calibrating runs one operation after the other, which takes JAX longer than compiling: the net comes calibrated.
_OF_ZOO = """
import json
import sys

from tests.compiled_nets import differences, few_blocks, load_weights
from tests.conformance.subjects import images

name, weights = sys.argv[1:]
print(json.dumps(differences(load_weights(few_blocks(name), weights), images(name, 40))))
"""
_BACKENDS = ["tensorflow", pytest.param("jax", marks=_NEEDS_JAX)]
_FEW = COUNTS[:-1]


def _some(*names: str) -> list[Any]:
    """Names of small nets and counts of images: by default some with few images, since XLA takes seconds for each."""
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


@_NEEDS_JAX
@pytest.mark.parametrize(("name", "counts"), _some("split", "chain"))
def test_sparse_equals_masked_on_jax(name: str, counts: Sequence[int]) -> None:
    report = json.loads(run_snippet(_ON_JAX, name, json.dumps(counts), backend="jax").splitlines()[-1])
    assert_same(report, NETS[name]()[0].output_shape[-1], counts)


@cache
def calibrated(name: str) -> tuple[Any, bytes]:
    """A net of the zoo whose images go different ways, and its weights."""
    model, images = in_zoo(name)
    model.execution = "masked"
    routes = model.routes(images)
    assert len(np.unique(np.concatenate([*routes.values()], axis=-1), axis=0)) > 1
    return model, save_weights(model)


@pytest.mark.heavy
@pytest.mark.parametrize("backend", _BACKENDS)
@pytest.mark.parametrize("name", ZOO)
def test_sparse_equals_masked_in_the_zoo(name: str, backend: str, tmp_path: Path) -> None:
    model, weights = calibrated(name)
    (tmp_path / "weights.npz").write_bytes(weights)
    # In a process of its own on TensorFlow too: XLA optimises least there, since compiling takes most of the time.
    report = json.loads(run_snippet(_OF_ZOO, name, tmp_path / "weights.npz", backend=backend).splitlines()[-1])
    assert_same(report, model.output_shape[-1])


def compiled_text(model: Any, count: int, training: bool = False) -> str:
    run = tf.function(lambda x: model(x, training=training), jit_compile=True, autograph=False)
    return run.experimental_get_compiler_ir(tf.constant(split_images(40)[:count]))(stage="hlo")


@pytest.mark.parametrize("count", [16, 33])
def test_each_part_is_a_loop_over_buckets(count: int) -> None:
    model = mixed_net()
    model.execution = "sparse"
    text = compiled_text(model, count)
    rows = convolved_rows(text)
    # A part has two convolutions; there are two blocks of two parts.
    assert [rows[name] for name in loops(text)] == [[bucket_size(count)] * 2] * 4
    # Outside of loops only the stem convolves.
    assert [found for name, found in rows.items() if name not in loops(text) and found] == [[count]]


def test_masked_runs_all_rows_and_has_no_loop() -> None:
    model = mixed_net()
    model.execution = "masked"
    text = compiled_text(model, 16)
    assert loops(text) == [] and [*chain(*convolved_rows(text).values())] == [16] * 9


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
    model = mixed_net()
    model.execution = "sparse"
    assert loops(compiled_text(model, 16, training=True)) == []


@pytest.mark.parametrize("count", [1, 17, 40])
def test_parts_run_on_as_many_buckets_as_are_filled(count: int) -> None:
    model = mixed_net()
    chosen = decided(model, split_images(count))
    model.set_execution("sparse", "buckets", "whole")
    rows_run(model)
    model(split_images(count), training=False)
    size = bucket_size(count)
    np.testing.assert_array_equal(rows_run(model), -(-chosen // size) * size)
    assert count == 1 or (chosen < count).all()
