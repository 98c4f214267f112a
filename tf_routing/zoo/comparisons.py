"""The comparisons of error and cost that papers make, by name."""

DMNN = "Dynamic Multi-path Neural Network"
DRN = "Dynamic Routing with Path Diversity and Consistency for Compact Network Learning"

COMPARISONS = {
    "dmnn_heavy": (DMNN, "Table 1", "imagenet_top1", "ResNets on ImageNet"),
    "dmnn_mobile": (DMNN, "Table 2", "imagenet_top1", "MobileNetV2 on ImageNet"),
    "dmnn_cifar100": (DMNN, "Table 3", "cifar100", "ResNet-50 on CIFAR-100"),
    "drn_cifar10": (DRN, "Table 3", "cifar10", "ResNets on CIFAR-10"),
}
"""Of each the paper, its table, and the column of the errors in the rows of `reported.json`, and a title."""
