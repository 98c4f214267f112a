"""Builds models by name."""

import fnmatch
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tf_routing.support.validation import plain, unknown
from tf_routing.zoo.architecture import Architecture
from tf_routing.zoo.architectures import ARCHITECTURES
from tf_routing.zoo.arguments.builder_arguments import call_builder, list_builder_arguments
from tf_routing.zoo.arguments.common_arguments import check_common, default_name
from tf_routing.zoo.arguments.idle_arguments import refuse_idle
from tf_routing.zoo.arguments.path_arguments import checked_paths
from tf_routing.zoo.builders.exit_trees import check as check_tree

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

# Defaults that belong to the paper's classes and say nothing about others.
_OF_CLASSES = ("categories",)
_COMMON = ("classes", "input_shape", "include_top", "pooling", "name", "classifier_activation")


def list_models(pattern: str = "*", *, family: str | None = None) -> list[str]:
    """Returns the names of the zoo's architectures, in the order of the papers' tables.

    Args:
        pattern: Shell-style wildcard that names must match.
        family: Only architectures of this family, for example `"multipath"`.

    Returns:
        List of names for `zoo.get`.

    Raises:
        ValueError: If the family is not known.

    Example:

    >>> from tf_routing import zoo
    >>> zoo.list_models("resnet20_*cc")
    ['resnet20_2cc', 'resnet20_3cc', 'resnet20_4cc']
    """
    families = {each.family for each in ARCHITECTURES.values()}
    if family is not None and family not in families:
        raise ValueError(unknown("family", family, families))
    return [
        name
        for name, architecture in ARCHITECTURES.items()
        if fnmatch.fnmatchcase(name, pattern) and family in (None, architecture.family)
    ]


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
    input_shape: tuple[int, int, int] | None = None,
    weights: str | None = None,
    include_top: bool = True,
    pooling: str | None = None,
    name: str | None = None,
    classifier_activation: str | None = "softmax",
    **family_arguments: Any,
) -> "RoutedModel":
    """Builds a network of the zoo, ready to compile and fit.

    It takes float images in [0, 1] and returns class probabilities. Layer names are stable: `conv_{k}`, `dense_{k}`
    (`path_{p}_conv_{k}` where there are several paths), `route_{l}` for the routing layers in order of depth, `head`
    (`path_{p}_head`), `logits` and `probabilities`.

    Args:
        architecture: A name of `zoo.list_models()`.
        classes: Integer of at least 2, number of classes. The paper's by default: 10 at 32x32, 1000 at 224x224. As in
            `keras.applications` it and `classifier_activation` mean nothing with `include_top=False`.
        input_shape: Tuple `(height, width, channels)`, the paper's by default.
        weights: `None` for random weights, the path of a `.keras` file whose model has the same layers or the folder of
            a run, the tag of weights that were trained here (`zoo.card` names them; classes and input shape are then
            theirs by default), or `"imagenet"` for those of `keras.applications`, with their preprocessing inside the
            model: for `resnet50`, `resnet101` (both with `keras_strides=True`) and `mobilenetv2`. Where the number of
            classes differs, the body is loaded and the head stays fresh, and a warning says so. The preprocessing
            (`standardize`, `gamma`) is the file's; layers that are set otherwise than the file's are an error. A
            `.weights.h5` file goes into a network of the same arguments; it holds no settings to compare, and a
            warning says so. What exists as a path is never taken for a tag.
        include_top: Boolean. `False` ends before the final dense layers, with the paths' feature maps concatenated
            along channels.
        pooling: With `include_top=False`, `None` for maps, `"avg"` or `"max"` for vectors.
        name: Name of the Keras model; by default the architecture's, as its arguments make it: `resnet18_2cc` with
            `paths=3` is a `resnet18_3cc`.
        classifier_activation: Activation of the prediction; `None` returns logits.
        **family_arguments: The family's own, for multi-path nets among others `width_multiplier`, `hidden` (of the
            gates), `average`, `standardize`; `use_bias` and `shortcut` for ResNets. An unknown one is an error that
            lists the known ones, and one that would do nothing beside the others is an error too.

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
    found = find(architecture)
    _check_precision(architecture)
    classes, input_shape, given = plain(classes), plain(input_shape), plain(family_arguments)
    check_common(classes, input_shape, include_top, pooling, given)
    _check_channels_last(architecture)
    build, defaults = _import_builder(architecture, found, given)
    classes, input_shape = _of_weights(architecture, weights, classes, input_shape)
    shape = tuple(found.defaults["input_shape"] if input_shape is None else input_shape)
    values = checked_paths({**defaults, **found.arguments, **_family_defaults(found, classes), **given}, given)
    if "tree" in values:
        # Before it is asked whether it has junctions.
        check_tree(values["tree"])
    refuse_idle(build.__module__.rpartition(".")[2], {**values, "include_top": include_top}, given, defaults)
    if weights is not None:
        from tf_routing.zoo.weights.weights import open_weights

        asked, load = open_weights(architecture, weights, shape, given, defaults)
        values |= asked
    common = {
        "classes": found.defaults["classes"] if classes is None else classes,
        "input_shape": shape,
        "include_top": include_top,
        "pooling": pooling,
        "classifier_activation": classifier_activation,
        "name": name or default_name(architecture, values, given, {**defaults, **found.defaults}),
    }
    model = call_builder(build, {**common, **values})
    if weights is not None:
        load(model)
    return model


def _check_channels_last(architecture: str) -> None:
    # Keras is imported where a network is built, not where names are listed.
    from tf_routing.layers.channels_last import check_channels_last

    check_channels_last(f"zoo.get({architecture!r})")


def _check_precision(architecture: str) -> None:
    # Before any layer is built: those of Keras say only which method they lack. Names are listed without Keras.
    import keras

    from tf_routing.core.precision import float_policy

    float_policy(keras.config.dtype_policy(), architecture)


def _of_weights(
    architecture: str, weights: Any, classes: int | None, input_shape: tuple[int, int, int] | None
) -> tuple[int | None, tuple[int, int, int] | None]:
    """Returns classes and shape as asked for, else those that released weights were trained for."""
    if weights is None:
        return classes, input_shape
    from tf_routing.zoo.weights.weights import released_shape

    told = released_shape(architecture, weights)
    return (
        told.get("classes") if classes is None else classes,
        told.get("input_shape") if input_shape is None else input_shape,
    )


def _import_builder(
    name: str, found: Architecture, arguments: Iterable[str]
) -> tuple[Callable[..., "RoutedModel"], dict[str, Any]]:
    """Returns the builder, and its arguments that a user may give, with their defaults."""
    build = found.import_builder()
    bound = {*found.arguments, *_COMMON}
    known = {key: default for key, default in list_builder_arguments(build).items() if key not in bound}
    for argument in arguments:
        if argument not in known:
            accepted = [*_COMMON, "weights", *known]
            raise TypeError(
                f"{unknown('argument', argument, accepted)} All arguments of {name}: {', '.join(accepted)}."
            )
    return build, known


def _family_defaults(found: Architecture, classes: int | None) -> dict[str, Any]:
    of_other_classes = classes not in (None, found.defaults["classes"])
    left_out = (*_COMMON, *_OF_CLASSES) if of_other_classes else _COMMON
    return {key: value for key, value in found.defaults.items() if key not in left_out}
