"""The facts on the card of an export: what it is, how it was made, and what papers report about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

import tf_routing
from tf_routing import zoo
from tf_routing.execution import gated_blocks
from tf_routing.models.inputs.batches import image_input
from tf_routing.models.inputs.input_range import input_range

FORMAT = 1
"""Changes with the meaning of the fields of `card.json`."""


def collect_facts(
    model: Any, architecture: str | None, signatures: Sequence[str], training: Mapping[str, Any] | None, **settings: Any
) -> dict[str, Any]:
    """Returns what is known about an export, ready for JSON.

    Args:
        model: The `RoutedModel`.
        architecture: Its name in the zoo, or `None`.
        signatures: Names of the export's signatures.
        training: How it was trained, or `None`.
        **settings: The export's version, and how it was made.
    """
    known = zoo.card(architecture) if architecture else None
    return {
        "format": FORMAT,
        "name": model.name,
        **settings,
        "input_shape": list(image_input(model).shape[1:]),
        "input_range": list(input_range(model)),
        "outputs": model.output_shape[-1],
        "trainable_parameters": sum(weight.shape.num_elements() for weight in model.trainable_weights),
        "total_parameters": model.count_params(),
        "static_macs": model.static_cost,
        "budget": model.budget,
        "decisions": model.decision_names,
        "skips": bool(gated_blocks(model)) and model.execution != "masked",
        "signatures": list(signatures),
        "training": dict(training) if training else None,
        "architecture": known.as_dict() if known else None,
        "made_with": _collect_versions(),
    }


def _collect_versions() -> dict[str, str]:
    import tensorflow as tf

    return {"tf_routing": tf_routing.__version__, "keras": keras.__version__, "tensorflow": tf.__version__}
