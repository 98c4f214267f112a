"""Says in words how a network differs from the file whose weights it should have, and which argument makes it agree."""

from collections.abc import Collection, Mapping, Sequence

from tf_routing.zoo.weights.layer_settings import Difference

# What the settings of layers are called where they are arguments of builders.
_ARGUMENTS = {
    **dict.fromkeys(("mean", "variance", "standardize"), "standardize"),
    **dict.fromkeys(("exponent", "gamma"), "gamma"),
    "strides": "keras_strides",
    **{"activation": "classifier_activation", "kind": "router", "method": "pyramid", "outputs": "tree"},
}
# A stem's pool is padded on both sides with either.
_PADDED_POOL = ("padding", "keras_strides")
# Settings that belong to the use of a model rather than to its training: what is asked for is taken as it is.
_AT_TEST = ("decision", "keep")


def is_wanted(difference: Difference, given: Mapping[str, object], fresh: Collection[str]) -> bool:
    """Returns whether a difference is what the user asked for.

    Args:
        difference: How a layer differs from that of the file.
        given: The family's arguments that the user gave.
        fresh: Names of heads that stay fresh.
    """
    name = difference.layer.rpartition("/")[2]
    if name.endswith("probabilities") and difference.setting == "activation":
        # Logits are those of the same network, and what a fresh head's mean is up to who trains it.
        return bool(fresh) or difference.built == "linear"
    if difference.setting == "units" and difference.layer in fresh:
        return True
    return any(key in given for key in _AT_TEST) and (difference.setting == "decision" or name == "kept_blocks")


def describe_mismatch(difference: Difference, source: str, model_name: str, known: Sequence[str]) -> str:
    """Returns the message of the error for a difference that nobody asked for.

    Args:
        difference: How a layer differs from that of the file.
        source: The file.
        model_name: Name of the network.
        known: Names of the family's arguments.
    """
    layer, setting, built, saved = difference
    if setting == "layer":
        fact = f"{source} holds no layer {layer!r}"
    elif setting == "reads":
        fact = f"Layer {layer!r} reads {_join_calls(built)}; that of {source} reads {_join_calls(saved)}"
    elif setting == "class":
        fact = f"Layer {layer!r} is a {built}; that of {source} is a {saved}"
    else:
        fact = f"Layer {layer!r} has {setting}={built!r:.200}; {source} holds {saved!r:.200}"
    arguments = _find_arguments(difference, [*known, "classifier_activation"])
    hint = f", such as {' or '.join(f'`{argument}`' for argument in arguments)}" if arguments else ""
    return f"{fact}: build the {model_name} with the arguments of the saved one{hint}."


def _join_calls(reads: list[list[str]]) -> str:
    return " and ".join(", ".join(call) for call in reads)


def _find_arguments(difference: Difference, known: Sequence[str]) -> list[str]:
    """Returns those of the known arguments that may make a network agree with the file: one, or none, or either."""
    names = [difference.setting, difference.layer]
    if difference.setting == "reads":
        # What stands in between here or there.
        built, saved = ({name for call in reads for name in call} for reads in (difference.built, difference.saved))
        names = sorted(built ^ saved)
    if any(name in ("stem_pool", "stem_pool_pad") for name in (*names, difference.layer)):
        return [argument for argument in _PADDED_POOL if argument in known]
    candidates = ["padding" if name.endswith("_pad") else _ARGUMENTS.get(name, name) for name in names]
    return [candidate for candidate in candidates if candidate in known][:1]
