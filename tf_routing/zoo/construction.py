"""Goes from the arguments of `zoo.get` to a network: checks them, finds weights, builds the network and loads them.

Importing this module does not import Keras.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tf_routing.support.validation import positive_number, unknown
from tf_routing.zoo.architecture import Architecture
from tf_routing.zoo.arguments.builder_arguments import call_builder, list_builder_arguments
from tf_routing.zoo.arguments.common_arguments import CommonArguments, name_model
from tf_routing.zoo.arguments.idle_arguments import refuse_idle
from tf_routing.zoo.arguments.path_arguments import check_paths
from tf_routing.zoo.builders.exit_trees import check as check_tree

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

# Defaults that belong to the paper's classes and say nothing about others.
_OF_CLASSES = ("categories",)
_COMMON = tuple(field.name for field in fields(CommonArguments))


def check_keras_settings(architecture: str) -> None:
    """Raises if Keras is set to what no network of the zoo can be built with.

    Args:
        architecture: Name of the network, for messages.

    Raises:
        ValueError: If channels come first, or layers do not compute with floating-point numbers.
    """
    # Before any layer is built: those of Keras say only which method they lack. Names are listed without Keras.
    import keras

    from tf_routing.core.precision import float_policy
    from tf_routing.layers.channels_last import check_channels_last

    float_policy(keras.config.dtype_policy(), architecture)
    check_channels_last(f"zoo.get({architecture!r})")


def construct(
    architecture: str, line: Architecture, common: CommonArguments, given: Mapping[str, Any], weights: Any
) -> "RoutedModel":
    """Builds a network, and loads its weights where there are any.

    Args:
        architecture: A name of the zoo.
        line: What the name stands for.
        common: Arguments that all networks take.
        given: The family's arguments that the user gave.
        weights: See `zoo.get`.

    Raises:
        ValueError: If a value is not possible, or weights do not belong to the network.
        TypeError: If an argument is not known.
        FileNotFoundError: If `weights` names no file.
        OSError: If weights cannot be downloaded.
    """
    positive_number("width_multiplier", given.get("width_multiplier", 1.0))
    build = line.import_builder()
    defaults = _list_free_arguments(architecture, line, build, given)
    classes, shape = _choose_size(architecture, line, common, weights)
    values = {**defaults, **line.arguments, **_list_family_defaults(line, classes), **given}
    values = check_paths(values, given)
    if "tree" in values:
        # Before it is asked whether it has junctions.
        check_tree(values["tree"])
    refuse_idle(build, {**values, "include_top": common.include_top}, given, defaults)
    load: Callable[[Any], None] | None = None
    if weights is not None:
        from tf_routing.zoo.weights.loading import open_weights

        asked, load = open_weights(architecture, weights, shape, given, defaults)
        values |= asked
    name = common.name or name_model(architecture, values, given, {**defaults, **line.defaults})
    # Not `asdict`, which copies what it finds: a tensor's copy is no part of its graph.
    shared = {name: getattr(common, name) for name in _COMMON}
    completed = {**shared, "classes": classes, "input_shape": shape, "name": name}
    model = call_builder(build, {**completed, **values})
    if load is not None:
        load(model)
    return model


def _list_free_arguments(
    architecture: str, line: Architecture, build: Callable[..., Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the family's arguments that a user may give, with their defaults; refuses others."""
    bound = {*line.arguments, *_COMMON}
    free = {name: default for name, default in list_builder_arguments(build).items() if name not in bound}
    for argument in given:
        if argument not in free:
            accepted = [*_COMMON, "weights", *free]
            raise TypeError(
                f"{unknown('argument', argument, accepted)} All arguments of {architecture}: {', '.join(accepted)}."
            )
    return free


def _choose_size(
    architecture: str, line: Architecture, common: CommonArguments, weights: Any
) -> tuple[int, tuple[int | None, int | None, int]]:
    """Returns classes and input shape: as asked for, else those of released weights, else the paper's."""
    found = {"classes": line.defaults["classes"], "input_shape": line.defaults["input_shape"]}
    if weights is not None:
        from tf_routing.zoo.weights.loading import find_released_shape

        found |= find_released_shape(architecture, weights)
    classes = found["classes"] if common.classes is None else common.classes
    return classes, tuple(found["input_shape"] if common.shape is None else common.shape)


def _list_family_defaults(line: Architecture, classes: int) -> dict[str, Any]:
    left_out = _COMMON if classes == line.defaults["classes"] else (*_COMMON, *_OF_CLASSES)
    return {key: value for key, value in line.defaults.items() if key not in left_out}
