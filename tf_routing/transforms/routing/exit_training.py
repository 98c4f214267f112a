"""Trains exits that were added to a network, in seconds: images run once through the body, which stays as it is."""

from typing import Any

import keras
import numpy as np

from tf_routing import exit_tree
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.models.reader import Reader
from tf_routing.support.validation import not_negative, positive_integer

_STEPS, _EPOCHS = 200, 60


def train_exits(
    model: Any, images: Any, *, views: int = 1, folds: int = 5, decay: float = 0.01, batch_size: int = 32, seed: int = 0
) -> None:
    """Trains the heads and the junctions of exits that `tf_routing.add_routing` added, without labels.

    A head learns the whole network's answers from the channel means that it reads. Its junction learns how probable it
    is that the head gives the class that the whole network gives, from the head's logits: those of images that the head
    did not learn from, since it is surer of others than it should be. `fit` with `objectives.Distillation` trains the
    same parts together, from nothing, and needs more images.

    Equation:
        h = argmin mean KL(t, softmax(h(x))) + decay |h|^2 / 2,    x standardised
        P(leave) = softmax(junction(x))[0] -> softmax(h_k(x))[argmax t]

        with x the channel means (B, C) at an exit, h its head, linear; t (B, K) the whole network's probabilities; and
        h_k the head that learnt without the fold k of images that x is in. The first hidden units of the junction are
        the logits of h.

    Args:
        model: What `add_routing` returned with `"exit"` or `"both"`. It is changed, its body is not.
        images: Images as the model takes them, an array, or batches without labels.
        views: Integer, how many versions of each image there are, mirrored ones say: all images come in the first,
            then all in the second, and so on. Versions of an image are in one fold.
        folds: Integer, parts of the images that heads are tried on.
        decay: Float, L2 decay of heads.
        batch_size: Integer, images per forward pass of arrays.
        seed: Integer, draws the order in which junctions learn.

    Raises:
        ValueError: If the model has no such exits, or has more classes than its junctions have hidden units.

    Example:

    >>> from tf_routing import add_routing, zoo
    >>> net = zoo.get("resnet20", width_multiplier=0.25)
    >>> plain = keras.Model(net.input, net.output)
    >>> model = add_routing(plain, "exit", input_range=(0, 1))
    >>> images = np.random.default_rng(0).uniform(size=(20, 32, 32, 3)).astype("float32")
    >>> train_exits(model, images, folds=2)
    """
    exits = _find_exits(require_routed_model(model))
    *leaving, (deepest, _) = exits
    pools = [model.get_layer(f"{name}_pool").output for name, _ in leaving]
    read = Reader(model.input, [*pools, model.get_layer(deepest).output], executor=model.executor)
    *features, logits = (np.asarray(each, "float64") for each in read.predict(images, batch_size, verbose=0))
    count, teacher = len(logits) // positive_integer("views", views), _softmax(logits)
    fold = np.arange(len(logits)) % count % positive_integer("folds", folds)
    not_negative("decay", decay)
    for (name, junction), x in zip(leaving, features, strict=True):
        kernel, bias = _fit_head(x, teacher, decay)
        head = model.get_layer(name)
        head.set_weights([kernel, bias])
        tried = np.zeros_like(teacher)
        for number in range(folds):
            own = fold == number
            if own.any() and not own.all():
                tried[own] = _logits(x[own], *_fit_head(x[~own], teacher[~own], decay))
        _fit_junction(model.get_layer(junction), kernel, bias, tried, teacher, seed)


def _find_exits(model: Any) -> list[tuple[str, str]]:
    """Returns the exits of a chain, in order of depth, each with the junction before it."""
    tree = exit_tree.find_tree(model)
    names = [] if tree is None else [layer.name for layer in model.layers]
    leaves = [] if tree is None else [leaf.layer for leaf in exit_tree.exits(tree)]
    if not leaves or any(f"{name}_pool" not in names for name in leaves[:-1]):
        raise ValueError(f"`model` must have exits that `add_routing` added. Received: {model.name!r}, without them")
    junctions = list(exit_tree.junctions(tree))
    classes = model.output_shape[-1]
    least = min(model.get_layer(name).hidden for name in junctions)
    if classes > least:
        raise ValueError(
            f"`model` must have at most as many classes as hidden units in its junctions, {least}: train others with "
            f"`fit`. Received: {model.name!r}, with {classes} classes"
        )
    return list(zip(leaves, [*junctions, ""], strict=True))


def _fit_head(x: np.ndarray, targets: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel and bias of the regression of class probabilities on features, by full-batch Adam."""
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = (x - mean) / deviation
    weights = [np.zeros((x.shape[1], targets.shape[1])), np.zeros(targets.shape[1])]
    first, second = ([np.zeros_like(each) for each in weights] for _ in range(2))
    for step in range(1, _STEPS + 1):
        error = (_softmax(_logits(x, *weights)) - targets) / len(x)
        for n, gradient in enumerate((x.T @ error + decay * weights[0], error.sum(axis=0))):
            first[n] = 0.9 * first[n] + 0.1 * gradient
            second[n] = 0.999 * second[n] + 0.001 * gradient**2
            rate = 0.05 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            weights[n] -= rate * first[n] / (np.sqrt(second[n]) + 1e-8)
    kernel = weights[0] / deviation[:, None]
    return kernel, weights[1] - mean @ kernel


def _fit_junction(
    junction: Any, kernel: np.ndarray, bias: np.ndarray, tried: np.ndarray, teacher: np.ndarray, seed: int
) -> None:
    """Gives a junction the head's logits as its first hidden units, and trains what follows these."""
    unused = junction.hidden - kernel.shape[1]
    junction.hidden_layers[0].set_weights([np.pad(kernel, ((0, 0), (0, unused))), np.pad(bias, (0, unused))])
    logits = keras.Input((junction.hidden,))
    x = logits
    for normalization, dense in zip(
        junction.normalizations, (*junction.hidden_layers[1:], junction.scores_layer), strict=True
    ):
        x = dense(keras.ops.relu(normalization(x)))
    model = keras.Model(logits, x)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), loss)
    right = _softmax(tried)[np.arange(len(tried)), teacher.argmax(axis=1)]
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(tried)) for _ in range(_EPOCHS)])
    inputs = np.pad(tried, ((0, 0), (0, unused))).astype("float32")
    targets = np.stack([right, 1 - right], axis=1).astype("float32")
    model.fit(inputs[order], targets[order], batch_size=min(100, len(tried)), shuffle=False, verbose=0)


def _logits(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return x @ kernel + bias


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
