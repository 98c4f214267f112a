"""How much a network loses when one of its blocks is left out for all images: an order in which to prune it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tf_routing import cost, exit_tree
from tf_routing.core.protocols import HasThresholds
from tf_routing.core.tensors import Images
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.images import load_images
from tf_routing.models.model_arguments import require_routed_model
from tf_routing.support.validation import positive_integer


class BlockSensitivity(NamedTuple):
    """What leaving one block out does.

    Args:
        decision: Name of the router before the block.
        agreement: Float, the share of images that the network without the block puts into the same class.
        macs: Integer, the multiply-accumulates per image that are saved.

    Example:

    >>> BlockSensitivity("router_3", 0.98, 4_300_000).agreement
    0.98
    """

    decision: str
    agreement: float
    macs: int


def block_sensitivity(model: RoutedModel, images: Images, batch_size: int = 32) -> list[BlockSensitivity]:
    """Returns how many images keep their class when one block is left out, by block, the most dispensable first.

    It takes one pass over the images with every gate open, and one per block with that block closed, whatever the
    routers say; no labels are needed. Taking blocks away in this order, the same for all images, is static pruning:
    what routing per image is to be compared with.

    Args:
        model: A model whose blocks are skipped, of the zoo or of `tf_routing.add_routing`. Of routers that switch
            several parts all are closed together; junctions are left out.
        images: Images `(count, height, width, channels)`, or batches of them, as the model takes them; a few hundred.
        batch_size: Integer, images per forward pass.

    Returns:
        List of `BlockSensitivity`, by falling agreement; of equal ones that which saves more is first.

    Raises:
        ValueError: If the model skips no block, or these are no images of the model, or none.

    Example:

    >>> from tf_routing import zoo
    >>> net = zoo.get("drn_resnet32", width_multiplier=0.125)
    >>> images = np.random.default_rng(0).uniform(size=(2, 32, 32, 3)).astype("float32")
    >>> len(block_sensitivity(net, images))
    15
    """
    positive_integer("batch_size", batch_size)
    blocks = _find_blocks(require_routed_model(model))
    x = load_images(model, images)
    whole = _classify(model, x, batch_size)
    found = [
        BlockSensitivity(name, float(np.mean(_classify(model, x, batch_size, name) == whole)), macs)
        for name, macs in blocks.items()
    ]
    return sorted(found, key=lambda each: (-each.agreement, -each.macs))


def _find_blocks(model: RoutedModel) -> dict[str, int]:
    """Returns the MACs behind each router that switches parts of a block."""
    tree = exit_tree.find_tree(model)
    junctions = {} if tree is None else exit_tree.junctions(tree)
    gated = cost.gated_macs(model)[1]
    moved = {name for name in model.decision_names if isinstance(model.get_layer(name), HasThresholds)}
    names = [name for name in model.decision_names if name in moved and name not in junctions and name in gated]
    blocks = {name: int(gated[name].sum()) for name in names}
    if not blocks:
        raise ValueError(f"`model` must have blocks that are skipped. Received: {model.name!r}, which has none")
    return blocks


def _classify(model: RoutedModel, images: np.ndarray, batch_size: int, closed: str | None = None) -> np.ndarray:
    """Returns the classes of images, with every gate open but one."""
    names = () if closed is None else (closed,)
    return np.concatenate(
        [
            np.asarray(model.answer_whole(batch, names)["whole_probabilities"]).argmax(axis=1)
            for batch in _batches(images, batch_size)
        ]
    )


def _batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (images[start : start + size] for start in range(0, len(images), size))
