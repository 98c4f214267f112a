"""Looks networks up by name: `list_models` lists names, `list_arguments` what a network takes, and `get` builds it.

Importing this module does not import Keras.
"""

import fnmatch
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tf_routing.core.tensors import Tensor
from tf_routing.support.validation import plain, unknown
from tf_routing.zoo.architecture import Architecture
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.arguments.builder_arguments import list_builder_arguments
from tf_routing.zoo.arguments.common_arguments import CommonArguments
from tf_routing.zoo.construction import check_keras_settings, construct
from tf_routing.zoo.weights.tags import list_tags

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel


def list_models(pattern: str = "*", *, family: str | None = None, pretrained: bool = False) -> list[str]:
    """Returns the names of the zoo's architectures, in the order of the papers' tables.

    Args:
        pattern: Shell-style wildcard that names must match.
        family: Only architectures of this family, for example `"multipath"`.
        pretrained: Boolean, whether to list what has trained weights, as `"name.tag"`, a name that `zoo.get` takes too.

    Returns:
        List of names for `zoo.get`.

    Raises:
        ValueError: If the family is not known.

    Example:

    >>> from tf_routing import zoo
    >>> zoo.list_models("resnet20_*cc")
    ['resnet20_2cc', 'resnet20_3cc', 'resnet20_4cc']
    >>> zoo.list_models("*.hybrid", pretrained=True)
    ['decide_chain8.hybrid']
    """
    families = {line.family for line in ARCHITECTURES.values()}
    if family is not None and family not in families:
        raise ValueError(unknown("family", family, families))
    names = [name for name, line in ARCHITECTURES.items() if family in (None, line.family)]
    if pretrained:
        names = [f"{name}.{tag}" for name in names for tag in list_tags(name)]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def find(architecture: str) -> Architecture:
    """Returns the table's line for a name, or raises a `ValueError` with close matches."""
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown("architecture", architecture, ARCHITECTURES, "`tf-routing list` shows all."))
    return ARCHITECTURES[architecture]


def list_arguments(architecture: str) -> dict[str, Any]:
    """Imports the builder of an architecture and returns the names of its arguments, with their defaults.

    Those that the table of architectures gives the builder are among them: a study or a search varies what a user of
    `zoo.get` cannot.

    Args:
        architecture: A name of `zoo.list_models()`.

    Returns:
        Dict from name to default, `arguments.builder_arguments.REQUIRED` where there is none.

    Raises:
        ValueError: If the name is not known.

    Example:

    >>> list_arguments("mobilenetv2")["width"]
    1.0
    """
    return list_builder_arguments(find(architecture).import_builder())


def get(
    architecture: str,
    /,
    *,
    classes: int | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    input_tensor: Tensor | None = None,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    include_top: bool = True,
    pooling: str | None = None,
    name: str | None = None,
    classifier_activation: str | None = "softmax",
    **family_arguments: Any,
) -> "RoutedModel":
    """Builds a network of the zoo, ready to compile and fit.

    It takes float images in [0, 1] and returns class probabilities. Layer names are stable: `conv_{k}`, `dense_{k}`
    (`path_{p}_conv_{k}` on one of several paths), `route_{l}` in order of depth, `head`, `logits`, `probabilities`.

    Args:
        architecture: A name of `zoo.list_models()`, or with the tag of its weights one of
            `zoo.list_models(pretrained=True)`: `"drn_resnet32.cifar10"` is `"drn_resnet32"` with `weights="cifar10"`.
        classes: Integer of at least 2, number of classes; by default the paper's, or those of the weights.
        input_shape: Tuple `(height, width, channels)`; by default the paper's, or that of released weights. With
            `include_top=False` height and width may be `None`, for images of any size.
        input_tensor: Symbolic tensor of float images, a `keras.Input` or what layers make of one, which the network
            reads in place of an input of its own. The model then takes what that input takes; set its `input_range`
            where that is not [0, 1].
        weights: `None` for random weights, the path of a `.keras` or `.weights.h5` file or of a run's folder, the tag
            of weights that were trained here (see `zoo.card`), or `"imagenet"` for those of `keras.applications`, which
            `resnet50`, `resnet101` and `mobilenetv2` have. A state dict of torchvision or timm, which brings its
            classes, fits `resnet18`, `resnet34`, `resnet50`, `resnet101`, `wideresnet50_2` and `mobilenetv2`. Where the
            number of classes differs, the body is loaded and the head stays fresh, and a warning says so. Preprocessing
            is the file's; other settings must agree with it, which a `.weights.h5` file does not tell, and a warning
            says that. What exists as a path is no tag.
        include_top: Boolean. `False` ends before the final dense layers, with the paths' maps side by side.
        pooling: With `include_top=False`, `None` for maps, `"avg"` or `"max"` for vectors.
        name: Name of the model; by default the architecture's, as its arguments make it: `resnet18_2cc` with `paths=3`
            is a `resnet18_3cc`.
        classifier_activation: Activation of the prediction; `None` returns logits.
        **family_arguments: Arguments of the family, such as `width_multiplier`, `standardize`, `hidden`. One that would
            do nothing with the values of the others is an error, as is an unknown one, which lists the known.

    Returns:
        A `RoutedModel`.

    Raises:
        ValueError: If the name or a value is not known or not possible, or weights do not belong to the network.
        TypeError: If an argument is not known.
        FileNotFoundError: If `weights` names no file.
        OSError: If weights of `keras.applications` are neither in its cache nor to be downloaded.

    Example:

    >>> from tf_routing import zoo
    >>> model = zoo.get("basecnn_2cc", classes=7, width_multiplier=0.25)
    >>> model.output_shape
    (None, 7)
    """
    architecture, dot, tag = architecture.partition(".")
    if dot and weights is not None:
        raise ValueError(
            f"`weights` are named twice, by {architecture}.{tag} and by weights={weights!r}: leave one out."
        )
    weights = tag if dot else weights
    line = find(architecture)
    check_keras_settings(architecture)
    common = CommonArguments(
        plain(classes), plain(input_shape), include_top, pooling, name, classifier_activation, input_tensor
    )
    return construct(architecture, line, common, plain(family_arguments), weights)
