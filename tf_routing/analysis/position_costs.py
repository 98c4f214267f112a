"""What images would cost a network whose positions halt, if it computed no position but those that are needed."""

import keras
import numpy as np

from tf_routing import cost
from tf_routing.core.tensors import Images
from tf_routing.models import RoutedModel
from tf_routing.models.decisions import observed_tensors
from tf_routing.models.inputs.images import load_images
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.support.validation import positive_integer

_WHAT = "_remaining"


def position_costs(model: RoutedModel, images: Images, batch_size: int = 32) -> np.ndarray:
    """Returns the MACs per image of the positions that are needed, as the SACT paper counts.

    They are what `model.cost` would be if a unit computed no position that has halted. Here a unit runs for whole
    images, if it runs: `model.cost` is what runs.

    Args:
        model: A network whose positions halt, such as `sact_resnet32`.
        images: Images `(count, height, width, channels)`, or batches of them, as the model takes them.
        batch_size: Integer, images per forward pass.

    Returns:
        Integer array `(count,)`.

    Raises:
        ValueError: If no positions of the model halt, or these are no images of the model, or none.

    Example:

    >>> from tf_routing import zoo
    >>> net = zoo.get("sact_resnet32", width_multiplier=0.25)
    >>> images = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype("float32")
    >>> bool((position_costs(net, images) <= net.cost(images)).all())
    True
    """
    positive_integer("batch_size", batch_size)
    maps = {
        name: tensor
        for name, tensor in observed_tensors(require_routed_model(model)).items()
        if name.endswith(_WHAT) and len(tensor.shape) == 4
    }
    if not maps:
        raise ValueError(f"`model` must be a network whose positions halt. Received: {model.name!r}, of which none do")
    x = load_images(model, images)
    return np.concatenate([_count(model, list(maps), x[n : n + batch_size]) for n in range(0, len(x), batch_size)])


def _count(model: RoutedModel, names: list[str], images: np.ndarray) -> np.ndarray:
    outputs = model(images, training=False, return_outputs=True)
    remaining = {name.removesuffix(_WHAT): keras.ops.convert_to_numpy(outputs[name]) for name in names}
    decisions = {name: keras.ops.convert_to_numpy(each) for name, each in model.decisions(outputs).items()}
    return cost.needed_macs(model, decisions, remaining)
