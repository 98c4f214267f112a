"""The cascade of the zoo: what it computes and costs, and that its members learn as they do alone."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tf_routing import zoo
from tf_routing.models import RoutedModel
from tf_routing.objectives import DeepSupervision

_SMALL: dict[str, Any] = {"classes": 3, "input_shape": (8, 8, 3), "width_multiplier": 1 / 4}
_IMAGES = np.random.default_rng(2).uniform(size=(24, 8, 8, 3)).astype("float32")
_LABELS = np.arange(24) % 3


def _members() -> list[RoutedModel]:
    keras.utils.set_random_seed(3)
    widths = [{**_SMALL, "width_multiplier": width} for width in (1 / 8, 1 / 4)]
    return [zoo.get("widecnn", **arguments) for arguments in widths]


def _filled(members: list[RoutedModel]) -> RoutedModel:
    """Returns a cascade of the zoo with the weights of nets."""
    model = zoo.get("widecnn_cascade", **_SMALL)
    for prefix, member in zip(("", "network_2_"), members, strict=True):
        for layer in member.layers:
            if layer.weights:
                model.get_layer(prefix + layer.name).set_weights(layer.get_weights())
    return model


def test_it_is_the_cascade_of_its_members() -> None:
    members = _members()
    model, same = _filled(members), tf_routing.cascade(members)
    for each in (model, same):
        tf_routing.calibrate(each, _IMAGES, rate=0.5)
    assert model.static_cost == same.static_cost == sum(member.static_cost for member in members)
    np.testing.assert_array_equal(model(_IMAGES), same(_IMAGES))
    np.testing.assert_array_equal(model.cost(_IMAGES), same.cost(_IMAGES))


def test_images_leave_with_the_answer_of_the_member_they_reached() -> None:
    members = _members()
    model = _filled(members)
    tf_routing.calibrate(model, _IMAGES, rate=0.5)
    leaves = model.routes(_IMAGES)["junction_1"][:, 0].astype(bool)
    assert 0 < leaves.sum() < len(_IMAGES)
    answers = [np.asarray(member(_IMAGES)) for member in members]
    expected = np.where(leaves[:, None], *answers)
    for execution in ("masked", "sparse"):
        model.set_execution(execution)
        np.testing.assert_allclose(model(_IMAGES), expected, atol=1e-6)
    paid = np.where(leaves, members[0].static_cost, model.static_cost)
    np.testing.assert_array_equal(model.cost(_IMAGES), paid)


def test_each_member_learns_what_it_learns_alone() -> None:
    members = _members()
    model = _filled(members)
    assert isinstance(model.default_objective(), DeepSupervision)
    for each in (model, *members):
        each.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        each.fit(_IMAGES, _LABELS, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for prefix, member in zip(("", "network_2_"), members, strict=True):
        for layer in (each for each in member.layers if each.weights):
            for mine, alone in zip(model.get_layer(prefix + layer.name).weights, layer.weights, strict=True):
                np.testing.assert_allclose(mine, alone, rtol=1e-4, atol=1e-5, err_msg=mine.path)
    moved = members[1].get_layer("head").kernel - _members()[1].get_layer("head").kernel
    assert np.abs(moved).max() > 1e-3


def test_without_its_top_it_is_the_widest_member() -> None:
    model = zoo.get("widecnn_cascade", **{**_SMALL, "classes": 10}, include_top=False)
    alone = zoo.get("widecnn", **{**_SMALL, "classes": 10}, include_top=False)
    assert [layer.name for layer in model.layers[1:]] == [f"network_2_{layer.name}" for layer in alone.layers[1:]]
    assert model.output_shape == alone.output_shape == (None, 2, 2, 64)


def test_the_weights_of_a_cascade_go_into_its_widest_member(tmp_path: Path) -> None:
    model = zoo.get("widecnn_cascade", **_SMALL)
    model.save(tmp_path / "net.keras")
    body = zoo.get("widecnn_cascade", **_SMALL, include_top=False, weights=tmp_path / "net.keras")
    maps = keras.Model(model.input, model.get_layer(body.layers[-1].name).output)
    np.testing.assert_array_equal(body(_IMAGES), maps(_IMAGES))


def test_weights_of_exits_are_one_per_member() -> None:
    with pytest.raises(ValueError, match="exit_weights"):
        zoo.get("widecnn_cascade", **_SMALL, exit_weights=[1.0])
