"""Trains exits that were added to a network, in seconds: images run once through the body, which stays as it is."""

from typing import Any

import numpy as np

from tf_routing import exit_tree
from tf_routing.core.tensors import Images
from tf_routing.layers import ConfidenceJunction
from tf_routing.layers.routers.router import open_score
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.models.reader import Reader
from tf_routing.support.extras import import_extra
from tf_routing.support.validation import not_negative, positive_integer


def train_exits(model: Any, images: Images, *, decay: float = 0.01, batch_size: int = 32) -> None:
    """Trains the heads of exits that `tf_routing.add_routing` added, without labels.

    A head learns the whole network's answers from the channel means that it reads, which are computed once, by a
    regression that takes seconds. With `junction="confidence"` nothing else has to learn: from now on images leave of
    which a head is as sure as the junction's `confidence` says, and `calibrate_budgets` finds how sure is sure enough,
    on images that the heads did not learn from, since of others they are surer than they should be. Learned junctions,
    and routers of blocks, learn by `fit`.

    Equation:
        h = argmin mean KL(t, softmax(h(x))) + decay |h|^2 / 2

        with x the channel means (B, C) at an exit, each with its mean removed and divided by its deviation; h its head,
        linear, whose bias does not decay; and t (B, K) the whole network's probabilities.

    Args:
        model: What `add_routing` returned with `"exit"` or `"both"`. Heads are changed, and thresholds of confidence.
        images: Images as the model takes them, an array, or batches without labels. Mirrored ones, and parts of them,
            are as good as more.
        decay: Float, L2 decay.
        batch_size: Integer, images per forward pass of arrays.

    Raises:
        ValueError: If the model has no such exits, or these are no images of it, none, or one holds NaN or infinity.
        ImportError: If the extra `train` is not installed.

    Example:

    >>> import keras
    >>> from tf_routing import add_routing
    >>> image = keras.Input((8, 8, 3))
    >>> maps = keras.layers.Conv2D(4, 3, activation="relu", name="stem")(image)
    >>> means = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(maps))
    >>> plain = keras.Model(image, keras.layers.Dense(2, "softmax")(means))
    >>> model = add_routing(plain, "exit", exits=["stem"], junction="confidence", input_range=(0, 1))
    >>> train_exits(model, np.random.default_rng(0).uniform(size=(20, 8, 8, 3)).astype("float32"))
    """
    not_negative("decay", decay)
    positive_integer("batch_size", batch_size)
    softmax = import_extra("scipy.special", "train", "Training exits").softmax
    heads, deepest = _find_heads(require_routed_model(model))
    pools = [model.get_layer(f"{name}_pool").output for name in heads]
    outputs = [*pools, model.get_layer(deepest).output]
    read = Reader(model.input, outputs, name=model.name, executor=model.executor)
    # The model itself sees none of these images: what there is to say of them is said here, once.
    read.input_watch = model.input_watch
    *features, logits = (np.asarray(each, "float32") for each in read.predict(images, batch_size, verbose=0))
    _check_numbers(logits)
    for name, x in zip(heads, features, strict=True):
        model.get_layer(name).set_weights(_fit_head(x, softmax(logits.astype("float64"), axis=1), decay))
    for layer in model.layers:
        if isinstance(layer, ConfidenceJunction):
            # Among the scores of routers, with which budgets move it: at the start it lets nobody leave.
            layer.threshold.assign([open_score(layer.confidence)])


def _find_heads(model: Any) -> tuple[list[str], str]:
    """Returns the names of the heads that were added, in order of depth, and of the layer of the network's logits."""
    tree = exit_tree.find_tree(model)
    names = {layer.name for layer in model.layers}
    *leaves, deepest = ["", ""] if tree is None else [leaf.layer for leaf in exit_tree.exits(tree)]
    heads = [name.removesuffix("_logits") for name in leaves]
    if any(f"{name}_pool" not in names for name in heads):
        raise ValueError(f"`model` must have exits that `add_routing` added. Received: {model.name!r}, without them")
    return heads, deepest


def _check_numbers(logits: np.ndarray) -> None:
    """Raises a `ValueError` if there is no image, or the network has no answer to one."""
    if not len(logits):
        raise ValueError("`images` must hold at least one image. Received: none")
    unknown = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(unknown):
        raise ValueError(
            f"`images` must hold numbers that the network answers with numbers. Received: NaN or infinity for image "
            f"{unknown[0]}"
        )


def _fit_head(x: np.ndarray, targets: np.ndarray, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel and bias of the regression of class probabilities on features: the one optimum that it has."""
    mean, deviation = x.mean(axis=0, dtype="float64"), x.std(axis=0, dtype="float64") + 1e-6
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    with_one = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    shape = (with_one.shape[1], targets.shape[1])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the loss, but for a constant, and its gradient."""
        weights = flat.reshape(shape)
        logs, kernel = log_softmax(with_one @ weights, axis=1), weights[:-1]
        gradient = with_one.T @ (np.exp(logs) - targets) / len(x)
        gradient[:-1] += decay * kernel
        return decay * np.sum(kernel**2) / 2 - np.sum(targets * logs) / len(x), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    kernel = found[:-1] / deviation[:, None]
    return kernel, found[-1] - mean @ kernel
