"""Imports a builder when a network is built, so that names can be listed without Keras."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel


def import_multipath_cnn() -> Callable[..., "RoutedModel"]:
    """Returns the builder of BaseCNN and its relatives."""
    from tf_routing.zoo.builders.multipath_cnn import build

    return build


def import_ensembles() -> Callable[..., "RoutedModel"]:
    """Returns the builder of ensembles."""
    from tf_routing.zoo.builders.ensembles import build

    return build


def import_cifar_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets for 32x32 images, with one path or several."""
    from tf_routing.zoo.builders.cifar_resnet import build

    return build


def import_imagenet_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets of ImageNet's widths, with one path or several."""
    from tf_routing.zoo.builders.imagenet_resnet import build

    return build


def import_mobilenetv2() -> Callable[..., "RoutedModel"]:
    """Returns the builder of MobileNetV2."""
    from tf_routing.zoo.builders.mobilenetv2 import build

    return build


def import_split_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets whose blocks are divided into sub-blocks."""
    from tf_routing.zoo.builders.split_resnet import build

    return build


def import_split_mobilenetv2() -> Callable[..., "RoutedModel"]:
    """Returns the builder of MobileNetV2 whose blocks are divided into sub-blocks."""
    from tf_routing.zoo.builders.split_mobilenetv2 import build

    return build


def import_skip_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets that skip blocks."""
    from tf_routing.zoo.builders.skip_resnet import build

    return build


def import_early_exit() -> Callable[..., "RoutedModel"]:
    """Returns the builder of networks that leave early."""
    from tf_routing.zoo.builders.early_exit import build

    return build


def import_aig_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets with adaptive inference graphs."""
    from tf_routing.zoo.builders.aig_resnet import build

    return build


def import_skipnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of SkipNet."""
    from tf_routing.zoo.builders.skipnet import build

    return build


def import_blockdrop() -> Callable[..., "RoutedModel"]:
    """Returns the builder of BlockDrop."""
    from tf_routing.zoo.builders.blockdrop import build

    return build


def import_msdnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of multi-scale dense networks."""
    from tf_routing.zoo.builders.msdnet import build

    return build


def import_cascades() -> Callable[..., "RoutedModel"]:
    """Returns the builder of cascades."""
    from tf_routing.zoo.builders.cascades import build

    return build


def import_halting_resnet() -> Callable[..., "RoutedModel"]:
    """Returns the builder of residual nets whose stages end early."""
    from tf_routing.zoo.builders.halting_resnet import build

    return build
