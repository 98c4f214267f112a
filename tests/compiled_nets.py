"""One small network per family whose images take different routes, for tests that compile them with XLA, and how to."""

import re
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any
from unittest import mock

import keras
import numpy as np

from tests import exit_net, gated_net, skip_net
from tf_routing import zoo
from tf_routing.models import RoutedModel
from tf_routing.transforms.calibration import calibrate
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.builders import mobilenetv2

COUNTS = (0, 1, 5, 33)


def _calibrated(model: RoutedModel, images: np.ndarray, rate: float = 0.5) -> RoutedModel:
    calibrate(model, images, rate=rate)
    return model


def _skipping(router: str) -> tuple[RoutedModel, np.ndarray]:
    images = skip_net.images(40)
    return _calibrated(skip_net.skip_model(router=router), images), images


def _leaving(tree: Any) -> tuple[RoutedModel, np.ndarray]:
    model, images = exit_net.exit_model(tree), exit_net.images(40)
    exit_net.balance(model)
    return model, images


def _split() -> tuple[RoutedModel, np.ndarray]:
    images = gated_net.images(40)
    return _calibrated(gated_net.gated_model(), images), images


NETS: dict[str, Callable[[], tuple[RoutedModel, np.ndarray]]] = {
    "skip": lambda: _skipping("linear"),
    "skip_by_memory": lambda: _skipping("recurrent"),
    "split": _split,
    "chain": lambda: _leaving(exit_net.CHAIN),
    "tree": lambda: _leaving(exit_net.BRANCHES),
}
"""A model and forty images for it, by what skips."""


_DEPTH_DIVISOR, _LEVELS = 5, 3


def in_zoo(name: str) -> tuple[RoutedModel, np.ndarray]:
    """Returns a calibrated net of the zoo that ends in logits, with few blocks, and forty images."""
    from tests.conformance.subjects import disturb, draw_scores, images

    keras.utils.set_random_seed(1)
    model = few_blocks(name)
    disturb(model)
    draw_scores(model)
    return _calibrated(
        model, images(name, 40), 0.8 if any(each in name for each in ("chain", "tree", "msdnet")) else 0.5
    ), images(name, 40)


def few_blocks(name: str) -> RoutedModel:
    """Returns a net of the zoo as its own builder makes it, of two stages with a fifth of the blocks, or three levels.

    XLA compiles every block anew, and further blocks and stages repeat what was compiled. A stage keeps one block at
    least, and the first one two: one behind the stem, and one with an identity shortcut.
    """
    from tests.conformance.subjects import MODELS

    line, arguments = ARCHITECTURES[name], {**MODELS[name], "classifier_activation": None}
    bound = dict(line.arguments)
    if "stage_blocks" in bound:
        first, second = (max(1, round(count / _DEPTH_DIVISOR)) for count in bound["stage_blocks"][:2])
        bound["stage_blocks"] = (max(2, first), second)
        if "widths" in bound:
            bound["widths"] = bound["widths"][:2]
        # One per block, of all that there were.
        bound.pop("fixed_rates", None)
    if "block_layers" in bound:
        # Three layers, each of which ends a scale where there are three.
        bound["block_layers"] = (1, 2)
    if "tree" in line.defaults:
        arguments["tree"] = _cut(line.defaults["tree"], _LEVELS)
    # Of MobileNetV2's blocks those up to the first two that differ in nothing but their weights.
    rows = [(*row[:2], min(row[2], 2), row[3]) for row in mobilenetv2._TABLE[:3]]
    shorter = mock.patch.dict(ARCHITECTURES, {name: line._replace(arguments=bound)})
    with shorter, mock.patch.object(mobilenetv2, "_TABLE", rows):
        return zoo.get(name, **arguments)


def _cut(tree: dict[str, Any], levels: int) -> dict[str, Any]:
    """Returns so many levels of a tree of columns, every branch of them."""
    below = [] if levels == 1 else [_cut(sink, levels - 1) for sink in tree["sinks"] if sink != "classify"]
    return {**tree, "sinks": ["classify", *below]}


def save_weights(model: RoutedModel) -> bytes:
    """Returns the weights of a net as a file, for a net of its kind that runs elsewhere."""
    file = BytesIO()
    np.savez(file, *(np.asarray(weight) for weight in model.weights))
    return file.getvalue()


def load_weights(model: RoutedModel, path: str) -> RoutedModel:
    """Returns a net with the weights that `save_weights` wrote of one of its kind."""
    with np.load(path) as stored:
        for weight, name in zip(model.weights, stored.files, strict=True):
            weight.assign(stored[name])
    return model


def compiled(model: RoutedModel, execution: str) -> Callable[[Any], dict[str, np.ndarray]]:
    """Returns a function from images to the answers and decisions, compiled by XLA as the model is set then."""
    model.execution = execution
    if keras.backend.backend() == "jax":
        import jax

        run = jax.jit(model.decide)
    else:
        import tensorflow as tf

        run = tf.function(model.decide, jit_compile=True, autograph=False)
    return lambda x: {name: np.asarray(each) for name, each in run(keras.ops.convert_to_tensor(x)).items()}


def differences(model: RoutedModel, images: np.ndarray, counts: Sequence[int] = COUNTS) -> dict[str, dict[str, Any]]:
    """Compares masked and sparse execution, both compiled, for every count of images.

    Returns:
        By count the largest difference of the answers, relative to the largest answer; how many decisions differ; and
        the shapes of the answers.
    """
    report = {}
    reference, run = compiled(model, "masked")(images[: max(counts)]), compiled(model, "sparse")
    for count in counts:
        # Masked, no image depends on others: one compilation does for all counts.
        masked, sparse = {name: each[:count] for name, each in reference.items()}, run(images[:count])
        assert set(masked) == set(sparse)
        differ = sum(int((masked[name] != sparse[name]).sum()) for name in model.decision_names)
        answers = [each["probabilities"] for each in (masked, sparse)]
        largest = max(float(np.abs(answers[0]).max(initial=0)), 1e-30)
        apart = float(np.abs(answers[0] - answers[1]).max(initial=0)) / largest
        report[str(count)] = {"apart": apart, "differ": differ, "shapes": [list(each.shape) for each in answers]}
    return report


def convolved_rows(text: str) -> dict[str, list[int]]:
    """Returns on how many rows each computation of an HLO module convolves, by the computation's name."""
    found: dict[str, list[int]] = {}
    name = ""
    for line in text.splitlines():
        # A computation begins at the left edge, or in older forms two spaces in, and its instructions have a "=".
        if line.rstrip().endswith("{") and " = " not in line:
            name = line.split()[1 if line.startswith("ENTRY") else 0].lstrip("%")
            found[name] = []
        if match := re.search(r"= f32\[(\d+),[\d,]*\]\S* convolution\(", line):
            found[name].append(int(match.group(1)))
    return found


def loops(text: str) -> list[str]:
    """Returns the name of what each loop of an HLO module repeats."""
    return [name.lstrip("%") for name in re.findall(r" while\(.*?body=([^\s,]+)", text)]
