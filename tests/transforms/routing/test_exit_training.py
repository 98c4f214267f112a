"""Heads of exits learn the whole network's answers, and images leave of which they are sure."""

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import images, own_net
from tf_routing.transforms.routing.exit_training import train_exits


@pytest.fixture(scope="module")
def trained() -> tf_routing.RoutedModel:
    plain = own_net()
    # Answers that differ between images.
    plain.get_layer("predictions").kernel.assign(20 * plain.get_layer("predictions").kernel)
    model = tf_routing.add_routing(plain, "exit", junction="confidence", input_range=(0, 255))
    model.plain = keras.models.clone_model(plain)
    model.plain.set_weights(plain.get_weights())
    train_exits(model, images(300), batch_size=100)
    return model


def test_a_head_answers_as_the_whole_network_does(trained: tf_routing.RoutedModel) -> None:
    x = images(400)[300:]
    means = keras.ops.mean(keras.Model(trained.input, trained.get_layer("b1_out").output)(x), axis=(1, 2))
    answers, expected = keras.ops.softmax(trained.get_layer("exit_1")(means)), np.asarray(trained.plain(x))
    usual = np.broadcast_to(np.mean(trained.plain(images(300)), axis=0), expected.shape)
    far, near = (np.mean(np.sum(expected * np.log(expected / np.asarray(each)), axis=1)) for each in (usual, answers))
    # On images that it did not see.
    assert near < far
    # The regression's optimum: the mean of its answers is the mean of its targets, as for every softmax with a bias.
    seen = images(300)
    means = keras.ops.mean(keras.Model(trained.input, trained.get_layer("b1_out").output)(seen), axis=(1, 2))
    answers = keras.ops.softmax(trained.get_layer("exit_1")(means))
    np.testing.assert_allclose(np.mean(answers, axis=0), np.mean(trained.plain(seen), axis=0), atol=1e-4)


def test_images_leave_of_which_the_head_is_sure(trained: tf_routing.RoutedModel) -> None:
    x = images(60)
    np.testing.assert_allclose(trained.get_layer("junction_1").threshold, [np.log(9)], rtol=1e-6)
    rows = tf_routing.calibrate_budgets(trained, x)
    trained.set_budget(rows[2].budget)
    answers = {}
    for execution in ("masked", "sparse"):
        trained.execution = execution
        answers[execution] = trained.decide(x)
    for name, values in answers["masked"].items():
        np.testing.assert_allclose(answers["sparse"][name], values, atol=1e-5, err_msg=name)
    left = np.asarray(answers["masked"]["junction_1"])[:, 0] == 1
    means = keras.ops.mean(keras.Model(trained.input, trained.get_layer("b1_out").output)(x), axis=(1, 2))
    sure = np.max(keras.ops.softmax(trained.get_layer("exit_1")(means)), axis=1)
    assert 0 < left.sum() < len(x) and sure[left].min() >= sure[~left].max()
    trained.set_budget(None)


def test_the_body_stays(trained: tf_routing.RoutedModel) -> None:
    for layer in trained.plain.layers:
        if layer.name in {each.name for each in trained.layers} and layer.weights:
            for before, after in zip(layer.get_weights(), trained.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(before, after)


def test_what_has_no_such_exits_is_refused() -> None:
    with pytest.raises(ValueError, match="must have exits that `add_routing` added"):
        train_exits(tf_routing.add_routing(own_net(), input_range=(0, 255)), images())


def test_images_of_another_range_are_told() -> None:
    model = tf_routing.add_routing(own_net(), "exit", junction="confidence", input_range=(0, 255))
    with pytest.warns(UserWarning, match="from 0.* to 0.* takes floats in .0, 255") as told:
        train_exits(model, images() / np.float32(255))
    assert sum("holds values" in str(each.message) for each in told) == 1 and model.input_watch.has_warned


def test_what_heads_cannot_learn_from_is_named_and_changes_nothing() -> None:
    model = tf_routing.add_routing(own_net(), "exit", junction="confidence", input_range=(0, 255))
    before, broken = model.get_weights(), images()
    broken[4, 0, 0, 0] = np.nan
    for x, size, message in (
        (broken, 2, "`images` must hold numbers.* NaN or infinity for image 4"),
        (images()[:0], 2, "`images` must hold at least one image. Received: none"),
        (images(), 0, "`batch_size` must be a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            train_exits(model, x, batch_size=size)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
