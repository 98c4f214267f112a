"""`model.execution` says how gated parts run: in training always masked, on TensorFlow and on JAX."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.subjects import small
from tests.execution.split_nets import (
    CLASSES,
    SIDE,
    block_settings,
    decided,
    images,
    masked,
    mixed_net,
    relative,
    rows_run,
    split_net,
)
from tests.gated_net import gated_model
from tests.snippets import run_snippet
from tf_routing import execution, zoo
from tf_routing.execution.static_rows import bucket_size
from tf_routing.models import Ensemble, RoutedModel

COUNT = 17
EVERY = np.full((2, 2), COUNT)


def labels() -> np.ndarray:
    return np.arange(COUNT) % CLASSES


def settings(model: keras.Model) -> set[tuple[str, str]]:
    return {(own.execution, own.method) for own in block_settings(model)}


def rows_of(model: RoutedModel, run: Any) -> np.ndarray:
    rows_run(model)
    run()
    return rows_run(model)


def test_it_is_auto_unless_set_and_reaches_every_block() -> None:
    model = split_net()
    assert model.execution == "auto" and settings(model) == {("auto", "auto")}
    for value in execution.EXECUTIONS:
        model.execution = value
        assert model.execution == value and settings(model) == {(value, "auto")}
    model.set_execution("sparse", "rows", "chunks")
    assert settings(model) == {("sparse", "rows")} and model.batch_method == "chunks"
    model.execution = "auto"
    assert settings(model) == {("auto", "auto")} and model.batch_method == "auto"


@pytest.mark.parametrize(("setting", "skips"), [("auto", True), ("sparse", True), ("masked", False)])
def test_what_each_setting_runs_at_inference(setting: str, skips: bool) -> None:
    model, x = mixed_net(), images(COUNT)
    own = decided(model, x)
    assert (own < COUNT).all()
    model.execution = setting
    expected = own if skips else EVERY
    np.testing.assert_array_equal(rows_of(model, lambda: model(x)), expected)
    np.testing.assert_array_equal(rows_of(model, lambda: model(x, training=False)), expected)
    np.testing.assert_array_equal(rows_of(model, lambda: model.predict(x, verbose=0)), expected)
    # The last decision needs no last block.
    np.testing.assert_array_equal(rows_of(model, lambda: model.routes(x))[0], expected[0])


def test_setting_it_again_is_seen_by_functions_that_were_compiled() -> None:
    model, x = mixed_net(), images(COUNT)
    own = decided(model, x)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    calls = {
        "predict": lambda: model.predict(x, verbose=0),
        "evaluate": lambda: model.evaluate(x, labels(), verbose=0),
        "routes": lambda: model.routes(x),
        "return_outputs": lambda: model(x, return_outputs=True),
    }
    for setting, expected in (("masked", EVERY), ("sparse", own), ("masked", EVERY)):
        model.execution = setting
        for name, call in calls.items():
            # Decisions alone need no last block.
            blocks = slice(0, 1 if name == "routes" else 2)
            rows = rows_of(model, call)
            np.testing.assert_array_equal(rows[blocks], expected[blocks], err_msg=f"{name} {setting}")


def test_a_function_of_the_users_own_keeps_what_was_set() -> None:
    model, x = mixed_net(), tf.constant(images(COUNT))
    own, run = decided(model, x), tf.function(lambda images_: model(images_))
    expected = masked(model, x)
    np.testing.assert_array_equal(rows_of(model, lambda: run(x)), own)
    model.execution = "masked"
    np.testing.assert_array_equal(rows_of(model, lambda: run(x)), own)
    assert relative(run(x), expected) <= 1e-5
    np.testing.assert_array_equal(rows_of(model, lambda: tf.function(lambda images_: model(images_))(x)), EVERY)


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("setting", execution.EXECUTIONS)
def test_training_is_masked_whatever_is_set(setting: str, run_eagerly: bool) -> None:
    model, x = mixed_net(), images(COUNT)
    model.compile(keras.optimizers.SGD(0.0), loss="mse", run_eagerly=run_eagerly)
    model.execution = setting
    targets = np.zeros((COUNT, CLASSES), "float32")
    np.testing.assert_array_equal(rows_of(model, lambda: model.train_on_batch(x, targets)), EVERY)


def test_in_training_batch_normalisation_sees_every_sample() -> None:
    moved = {}
    for setting in ("masked", "sparse"):
        model, x = mixed_net(rate=0.25), images(COUNT)
        norms = [part.get_layer("norm") for part in execution.gated_blocks(model)[0].sub_blocks]
        features = keras.Model(model.input, model.get_layer("stem").output)(x)
        convolved = [part.get_layer("conv_1")(features) for part in execution.gated_blocks(model)[0].sub_blocks]
        before = [np.asarray(norm.moving_mean) for norm in norms]
        model.execution = setting
        model.compile(keras.optimizers.SGD(0.0), loss="mse")
        model.train_on_batch(x, np.zeros((COUNT, CLASSES), "float32"))
        moved[setting] = [np.asarray(norm.moving_mean) for norm in norms]
        for norm, old, new, y in zip(norms, before, moved[setting], convolved, strict=True):
            expected = norm.momentum * old + (1 - norm.momentum) * np.asarray(y).mean(axis=(0, 1, 2))
            assert np.abs(expected - old).max() > 1e-3
            np.testing.assert_allclose(new, expected, rtol=1e-4, atol=1e-6)
    for one, other in zip(moved["sparse"], moved["masked"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_an_unknown_setting_lists_those_there_are() -> None:
    model = split_net()
    message = "`execution` must be one of 'auto', 'masked', 'sparse'. Received: execution='dense'"
    with pytest.raises(ValueError, match=message):
        model.execution = "dense"
    assert model.execution == "auto" and settings(model) == {("auto", "auto")}


def test_an_ensemble_passes_it_on_to_its_members() -> None:
    members, x = [mixed_net(rate=rate) for rate in (0.25, 0.5)], images(COUNT)
    owns, expected = [decided(each, x) for each in members], np.mean([masked(each, x) for each in members], axis=0)
    ensemble = Ensemble.of(members)
    for setting, runs in (("masked", [EVERY, EVERY]), ("sparse", owns), ("auto", owns)):
        ensemble.execution = setting
        assert [settings(each) for each in (ensemble, *members)] == [{(setting, "auto")}] * 3
        for member in members:
            rows_run(member)
        assert relative(ensemble(x), expected) <= 1e-5
        for member, run in zip(members, runs, strict=True):
            np.testing.assert_array_equal(rows_run(member), run)
    assert relative(ensemble.predict(x, verbose=0), expected) <= 1e-5
    assert ensemble(images(0)).shape == (0, CLASSES)


def test_a_member_that_is_set_by_itself_keeps_that() -> None:
    members, x = [mixed_net(rate=rate) for rate in (0.25, 0.5)], images(COUNT)
    skipping = decided(members[1], x)
    expected = np.mean([masked(each, x) for each in members], axis=0)
    ensemble = Ensemble.of(members)
    ensemble.execution = "sparse"
    members[0].execution = "masked"
    for member in members:
        rows_run(member)
    assert relative(ensemble(x), expected) <= 1e-5
    for member, run in zip(members, (EVERY, skipping), strict=True):
        np.testing.assert_array_equal(rows_run(member), run)


def test_a_model_inside_a_users_model_skips() -> None:
    model, x = mixed_net(), images(COUNT)
    image = keras.Input((SIDE, SIDE, 3))
    outer, own = keras.Model(image, keras.layers.Softmax()(model(image))), decided(model, x)
    expected = keras.ops.softmax(masked(model, x))
    np.testing.assert_array_equal(rows_of(model, lambda: outer(x)), own)
    assert relative(outer(x), expected) <= 1e-5
    assert outer(images(0)).shape == (0, CLASSES)


def test_a_saved_model_comes_back_as_it_was_set(tmp_path: Path) -> None:
    model, x = mixed_net(), images(COUNT)
    own, expected = decided(model, x), masked(model, x)
    model.execution = "masked"
    model.save(tmp_path / "split.keras")
    again = keras.saving.load_model(tmp_path / "split.keras")
    assert again.execution == "masked" and settings(again) == {("masked", "auto")}
    again.execution = "auto"
    rows_run(again)
    assert relative(again(x), expected) <= 1e-5
    np.testing.assert_array_equal(rows_run(again), own)


def test_blocks_decide_what_the_model_leaves_open() -> None:
    model, x = mixed_net(), images(COUNT)
    own = decided(model, x)
    model.get_layer("block_1").execution = "masked"
    np.testing.assert_array_equal(rows_of(model, lambda: model(x)), [EVERY[0], own[1]])
    model.execution = "sparse"
    np.testing.assert_array_equal(rows_of(model, lambda: model(x)), own)


def test_two_models_of_the_same_layers_run_by_their_own_settings() -> None:
    model, x = mixed_net(), images(COUNT)
    own, twin = decided(model, x), RoutedModel(model.input, model.output)
    model.execution = "masked"
    np.testing.assert_array_equal(rows_of(model, lambda: twin(x)), own)
    np.testing.assert_array_equal(rows_of(model, lambda: model(x)), EVERY)


def test_a_plain_model_inside_is_handed_what_the_outer_one_is_set_to() -> None:
    inner, x = split_net(), images(COUNT)
    image = keras.Input((SIDE, SIDE, 3))
    outer = RoutedModel(image, keras.Model(inner.input, inner.output, name="plain")(image))
    outer.execution = "masked"
    np.testing.assert_array_equal(rows_of(inner, lambda: outer(x)), EVERY)
    outer.execution = "sparse"
    np.testing.assert_array_equal(rows_of(inner, lambda: outer(x)), decided(inner, x))


@pytest.mark.parametrize("kept", ["rows", "patterns"])
def test_files_of_before_hold_settings_on_their_blocks(kept: str) -> None:
    config = split_net().get_config()
    # As it was saved before a model had a `method`: what is set was written onto the blocks.
    del config["method"]
    config["execution"] = "masked"
    blocks = [each["config"] for each in config["layers"] if each["class_name"] == "SplitBlock"]
    for block, method in zip(blocks, ("rows", kept), strict=True):
        block.update(execution="masked", method=method)
    model = RoutedModel.from_config(config)
    assert [(own.execution, own.method) for own in block_settings(model)] == [("masked", "rows"), ("masked", kept)]
    model.execution = "auto"
    # Blocks that were set one by one stay so.
    methods = ["auto", "auto"] if kept == "rows" else ["rows", kept]
    assert [(own.execution, own.method) for own in block_settings(model)] == [("auto", method) for method in methods]


_JAX = """
import json

import numpy as np
from tests.execution.split_nets import images, mixed_net, rows_run

model, x = mixed_net(), images(17)
report = {"auto": model.execution, "shares": {}, "rows": {}, "logits": {}}
for setting in ("auto", "sparse", "masked"):
    model.execution = setting
    rows_run(model)
    report["logits"][setting] = np.asarray(model(x)).tolist()
    report["rows"][setting] = rows_run(model).tolist()
# Compiled, a condition cannot count: the counters of these parts would be values of one branch.
model.execution = "masked"
report["routes"] = {name: each.tolist() for name, each in model.routes(x).items()}
report["shares"] = {name: each.mean(axis=0).tolist() for name, each in model.routes(images(40)).items()}
print(json.dumps(report))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax_runs_as_many_buckets_as_what_was_chosen_fills() -> None:
    report = json.loads(run_snippet(_JAX, backend="jax").splitlines()[-1])
    assert report["auto"] == "auto"
    own, size = decided(mixed_net(), images(COUNT)), bucket_size(COUNT)
    for setting in ("auto", "sparse"):
        np.testing.assert_array_equal(report["rows"][setting], -(-own // size) * size)
        assert relative(report["logits"][setting], report["logits"]["masked"]) <= 1e-5
    np.testing.assert_array_equal(report["rows"]["masked"], EVERY)
    # Calibrated there, too.
    np.testing.assert_allclose(list(report["shares"].values()), 0.5, atol=1e-6)
    model, x = mixed_net(), images(COUNT)
    assert relative(report["logits"]["sparse"], model(x)) <= 1e-4
    for name, switches in model.routes(x).items():
        np.testing.assert_array_equal(report["routes"][name], switches)


def test_unasked_only_masked_blocks_are_compiled_with_xla() -> None:
    model = split_net()
    supported = {}
    for chosen in ("auto", "masked", "sparse"):
        model.execution = chosen
        supported[chosen] = {block.supports_jit for block in execution.gated_blocks(model)}
    assert supported == {"auto": {False}, "masked": {True}, "sparse": {False}}


def test_setting_sparse_keeps_xla_in_a_compiled_model() -> None:
    model = gated_model()
    model.compile("sgd", jit_compile=True)
    model.execution = "sparse"
    assert model.jit_compile is True
    assert model.predict(np.ones((3, *model.input_shape[1:])), verbose=0).shape == (3, model.output_shape[-1])


@pytest.mark.parametrize("name", ["basecnn", "basecnn_2cc", "basecnn_ensemble3"])
def test_what_has_nothing_to_skip_cannot_be_sparse(name: str) -> None:
    model = zoo.get(name, width_multiplier=0.125, input_shape=(16, 16, 3))
    with pytest.raises(ValueError, match=f"`execution` must be 'auto' or 'masked' for '{name}': .*nothing to skip"):
        model.execution = "sparse"
    assert model.execution == "auto"
    model.execution = "masked"


@pytest.mark.parametrize("name", ["short_chain", "short_skip_resnet"])
def test_what_leaves_early_or_skips_can(name: str) -> None:
    model = small(name)
    model.execution = "sparse"
    assert model.execution == "sparse"
    Ensemble.of([model]).execution = "sparse"
