"""The comparisons of error and cost that papers make, by name."""

from typing import NamedTuple

DMNN = "Dynamic Multi-path Neural Network"
DRN = "Dynamic Routing with Path Diversity and Consistency for Compact Network Learning"
SKIPNET = "SkipNet: Learning Dynamic Routing in Convolutional Networks"
BLOCKDROP = "BlockDrop: Dynamic Inference Paths in Residual Networks"
SACT = "Spatially Adaptive Computation Time for Residual Networks"
PFEC = "Pruning Filters for Efficient ConvNets"


class Comparison(NamedTuple):
    """What stands beside each other in a figure.

    Args:
        title: What is compared, and on which images.
        column: Key of the errors in the rows of `reported.json`.
        sources: Pairs of a paper and its table; `None` for all rows of a paper.
    """

    title: str
    column: str
    sources: tuple[tuple[str, str | None], ...]


_DRN_POINTS = (DRN, "Table 2")

COMPARISONS = {
    "dmnn_heavy": Comparison("ResNets on ImageNet", "imagenet_top1", ((DMNN, "Table 1"),)),
    "dmnn_mobile": Comparison("MobileNetV2 on ImageNet", "imagenet_top1", ((DMNN, "Table 2"),)),
    "dmnn_cifar100": Comparison("ResNet-50 on CIFAR-100", "cifar100", ((DMNN, "Table 3"),)),
    "drn_cifar10": Comparison("ResNets on CIFAR-10", "cifar10", ((DRN, "Table 3"), _DRN_POINTS)),
    "drn_dynamic": Comparison(
        "dynamic nets on CIFAR-10", "cifar10", (_DRN_POINTS, (SKIPNET, None), (BLOCKDROP, None), (SACT, None))
    ),
    "drn_compressed": Comparison("compressed nets on CIFAR-10", "cifar10", (_DRN_POINTS, (PFEC, None))),
}
"""The comparisons: those of the last two names with what the others' own papers and public code print."""
