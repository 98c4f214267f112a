"""Synthesises an image that maximises the score of a gate, by gradient ascent on pixels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tf_routing.analysis.gate_address import GateAddress, find_gate, routing_layers
from tf_routing.analysis.gradients import value_and_gradient
from tf_routing.models import RoutedModel
from tf_routing.models.reader import Reader
from tf_routing.support.extras import import_extra
from tf_routing.support.validation import not_negative, not_negative_integer, positive_integer, positive_number

_GREY, _NOISE = 0.5, 0.05


class Synthesis(NamedTuple):
    """An image made for a gate.

    Args:
        image: Array `(height, width, channels)` with values in [0, 1].
        scores: Array `(steps + 1,)`, the gate's score before the softmax: before each step, and after the last.

    Example:

    >>> Synthesis(np.full((8, 8, 3), 0.5), np.array([0.1, 0.7])).scores[-1].item()
    0.7
    """

    image: np.ndarray
    scores: np.ndarray


def gate_score(model: RoutedModel, gate: str | GateAddress) -> Callable[[Any], Any]:
    """Returns the function from images to a gate's score before the softmax, a^l_ij.

    Args:
        model: A multi-path `RoutedModel`.
        gate: The gate, see `find_gate`.

    Returns:
        Function of a tensor of images `(batch, height, width, channels)` that returns the scores `(batch,)`, at
        inference. It can be differentiated.

    Raises:
        ValueError: If the model has no such gate.

    Example:

    >>> from tf_routing import zoo
    >>> score = gate_score(zoo.get("basecnn_2cc", width_multiplier=0.25), "g[2][2,1]")
    >>> score(keras.ops.ones((4, 32, 32, 3))).shape
    TensorShape([4])

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Eq. 2.
    """
    address = find_gate(model, gate)
    layer = routing_layers(model)[address.layer - 1]
    features = Reader(model.input, keras.tree.flatten(layer.input)[address.input - 1])
    network = layer.gates[address.input - 1]

    def score(images: Any) -> Any:
        """Returns the scores of a batch."""
        # At least float32 under mixed precision: steps are small against a score.
        scores = network.scores(features(images, training=False))
        return ops.cast(scores[:, address.output - 1], layer.variable_dtype)

    return score


def synthesize_image(
    model: RoutedModel,
    gate: str | GateAddress,
    *,
    steps: int = 300,
    step_size: float = 0.02,
    penalty: float = 1.0,
    jitter: int = 2,
    blur: float = 1.0,
    seed: int = 0,
    verbose: int = 0,
) -> Synthesis:
    """Makes an image that raises a gate's score before the softmax, all weights frozen.

    The image starts as grey noise. Each step adds the gradient of the score, blurred and divided by its root mean
    square, less a pull back to grey, and keeps values in [0, 1].

    Args:
        model: A multi-path `RoutedModel` whose images have a fixed size.
        gate: The gate, see `find_gate`.
        steps: Integer, number of steps.
        step_size: Float, how far pixels move in one step, in units of [0, 1].
        penalty: Float, weight of the L2 penalty on differences from grey. A gradient's root mean
            square counts as one, so that the weight means the same for gates of any scale.
        jitter: Integer, pixels by which the image is moved at random before each step, and back after it.
        blur: Float, deviation in pixels of the Gaussian that blurs gradients; 0 for none.
        seed: Integer, seed of noise and moves.
        verbose: Integer, 1 for a progress bar.

    Returns:
        A `Synthesis`.

    Raises:
        ValueError: If the model has no such gate, or an argument is out of range.
        ImportError: If the extra `train` is not installed.

    Example:

    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn_2cc", width_multiplier=0.25)
    >>> made = synthesize_image(model, "g[2][2,1]", steps=3)
    >>> made.image.shape, made.scores.shape
    ((32, 32, 3), (4,))

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 9. The paper says that the score is maximised from a random image; the rest is ours.
    """
    positive_integer("steps", steps)
    positive_number("step_size", step_size)
    not_negative("penalty", penalty)
    not_negative_integer("jitter", jitter)
    not_negative("blur", blur)
    random = np.random.default_rng(not_negative_integer("seed", seed))
    score = gate_score(model, gate)
    ascend = value_and_gradient(lambda images: score(images)[0])
    image = np.clip(random.normal(_GREY, _NOISE, model.input_shape[1:]), 0, 1).astype("float32")
    scores = []
    bar = keras.utils.Progbar(steps, verbose=verbose, stateful_metrics=["score"], unit_name="step")
    for step in range(1, steps + 1):
        move = random.integers(-jitter, jitter + 1, 2)
        value, gradient = _compute_moved_gradient(ascend, image, move)
        scores.append(value)
        bar.update(step, [("score", value)])
        direction = _normalize(_blur(gradient, blur)) - penalty * (image - _GREY)
        image = np.clip(image + step_size * direction, 0, 1).astype("float32")
    return Synthesis(image, np.array([*scores, _compute_moved_gradient(ascend, image, np.zeros(2, int))[0]]))


def _compute_moved_gradient(
    ascend: Callable[[Any], Any], image: np.ndarray, move: np.ndarray
) -> tuple[float, np.ndarray]:
    moved = np.roll(image, move, axis=(0, 1))
    value, gradient = ascend(ops.convert_to_tensor(moved[None]))
    return float(value), np.roll(ops.convert_to_numpy(gradient)[0], -move, axis=(0, 1))


def _normalize(gradient: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.mean(gradient**2))
    # A gate that no pixel moves, behind units that are all off, leaves the image to the pull alone.
    return gradient / size if size > 0 else gradient


def _blur(gradient: np.ndarray, deviation: float) -> np.ndarray:
    # Values over the edge come in on the other side, as those of moves do.
    blur = import_extra("scipy.ndimage", "train", "Synthesising an image").gaussian_filter
    return blur(gradient, deviation, axes=(0, 1), mode="wrap")
