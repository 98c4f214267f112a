"""First convolutions start from the principal directions of what they read, and nothing else changes."""

from typing import Any

import keras
import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.data import ImageSet
from tf_routing.train.whitening import principal_kernel, whiten_first_convolutions

_SIZE = 14


def smooth_images(count: int = 40) -> ImageSet:
    """Noise whose neighbouring pixels and channels are alike, as in photographs."""
    noise = np.random.default_rng(1).normal(size=(count, _SIZE + 2, _SIZE + 2, 3))
    near = sum(noise[:, i : i + _SIZE, j : j + _SIZE] for i in range(3) for j in range(3))
    mixed = near + near.mean(axis=-1, keepdims=True)
    return ImageSet(np.clip(128 + 20 * mixed, 0, 255).astype("uint8"), np.arange(count) % 10)


def network(name: str, **arguments: Any) -> Any:
    keras.utils.set_random_seed(0)
    return zoo.get(name, input_shape=(_SIZE, _SIZE, 3), classes=10, **arguments)


def changed(model: Any) -> list[str]:
    """Paths of the weights that whitening changes."""
    before = [np.asarray(weight) for weight in model.weights]
    whiten_first_convolutions(model, smooth_images())
    return [
        weight.path for weight, value in zip(model.weights, before, strict=True) if (np.asarray(weight) != value).any()
    ]


def test_directions_by_hand() -> None:
    # The first value varies three times as much as the second: 18 / 3 against 2 / 3.
    patches = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    drawn = np.array([[3.0, 0.0, 5.0, 8.0, 0.6], [4.0, 2.0, 12.0, 15.0, 0.8]])
    found = principal_kernel(drawn.reshape(1, 1, 2, 5), patches).reshape(2, 5)
    # Lengths are those that were drawn: 5, 2, 13, 17; the fifth filter has no direction left.
    np.testing.assert_allclose(np.abs(found), [[5, 2, 0, 0, 0.6], [0, 0, 13, 17, 0.8]], atol=1e-12)
    assert found[0, 0] * found[0, 1] < 0 and found[1, 2] * found[1, 3] < 0
    np.testing.assert_array_equal(found[:, 4], [0.6, 0.8])


def test_fewer_filters_than_directions_take_the_first() -> None:
    patches = np.random.default_rng(0).normal(size=(500, 12)) * np.arange(12, 0, -1)
    kernel = np.random.default_rng(1).normal(size=(2, 2, 3, 5))
    found = principal_kernel(kernel, patches).reshape(12, 5)
    variances, directions = np.linalg.eigh(np.cov(patches.T))
    order = np.argsort(-variances)
    lengths = np.linalg.norm(kernel.reshape(12, 5), axis=0)
    along = np.abs(directions[:, order].T @ found)
    np.testing.assert_allclose(along[[0, 0, 1, 1, 2], range(5)], lengths)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), lengths)


@pytest.mark.parametrize("name", ["basecnn", "basecnn_2cc"])
def test_responses_to_patches_are_not_correlated(name: str) -> None:
    model, images = network(name, width_multiplier=0.5), smooth_images()
    whiten_first_convolutions(model, images)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2] == 3:
            shown = keras.Model(model.inputs, layer.output).predict(images.images / np.float32(255), verbose=0)
            # At the border kernels see zeros; of such small images every patch was looked at.
            responses = shown[:, 1:-1, 1:-1, ::2].reshape(-1, 8)
            variances = np.var(responses, axis=0)
            covariances = np.cov(responses.T)
            scale = np.sqrt(np.outer(variances, variances))
            np.testing.assert_allclose(covariances / scale, np.eye(8), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("basecnn", ["conv_1/kernel"]),
        ("basecnn_2cc", ["path_1_conv_1/kernel", "path_2_conv_1/kernel"]),
        ("basecnn_2cp", ["route_1/prediction_1_1/kernel", "route_1/prediction_1_2/kernel"]),
        ("crossstitch2", ["path_1_conv_1/kernel", "path_2_conv_1/kernel"]),
        ("resnet20", ["stem/kernel"]),
    ],
)
def test_first_convolutions_alone_change(name: str, expected: list[str]) -> None:
    assert changed(network(name, width_multiplier=0.25)) == expected


def test_members_of_an_ensemble_are_whitened_each() -> None:
    found = changed(network("basecnn_ensemble3", width_multiplier=0.25))
    assert len(found) == 3 and all(path.endswith("conv_1/kernel") for path in found)


def test_the_same_images_give_the_same_kernels() -> None:
    kernels = []
    for _ in range(2):
        model = network("basecnn", width_multiplier=0.25)
        whiten_first_convolutions(model, smooth_images())
        kernels.append(np.asarray(model.get_layer("conv_1").kernel))
    np.testing.assert_array_equal(*kernels)
