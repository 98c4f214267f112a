"""The named signatures of an export: floats, bytes, encoded pictures, single images and routes. TensorFlow only."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_routing import cost
from tf_routing.core.pixel_values import RANGE_SIGNATURE, UNIT
from tf_routing.execution import gated_blocks
from tf_routing.execution.freezing import freeze
from tf_routing.exporting.decoding import DECODED_CHANNELS, decoded_images
from tf_routing.exporting.export_settings import ExportSettings
from tf_routing.exporting.model_inputs import ModelInputs


def signatures(model: Any, inputs: ModelInputs, settings: ExportSettings) -> dict[str, Any]:
    """Returns the functions that an export shows by name; see `tf_routing.export`.

    Args:
        model: The `RoutedModel`.
        inputs: What it takes.
        settings: Whether those that classify hold the weights as constants, and what is seen of pictures.

    Returns:
        Dict from name to a `tf.function` with an input signature.
    """
    computed = _Functions(model, inputs, settings)
    functions = {
        "serving_default": computed.classify,
        "serve_uint8": _build_graph(computed.classify_bytes, inputs.specs(tf.uint8)),
        "routes": _build_graph(computed.routes, inputs.specs()),
    }
    if inputs.image_shape[-1] in DECODED_CHANNELS:
        functions["serve_encoded"] = _build_graph(computed.classify_encoded, inputs.specs(tf.string, ()))
    if _runs_one_image_faster(model):
        functions["serve_one"] = _build_graph(computed.classify_one_or_more, inputs.specs())
    if inputs.range != UNIT:
        functions[RANGE_SIGNATURE] = _build_graph(computed.tell_range, [tf.TensorSpec((None,), tf.float32, "rows")])
    return functions


def _build_graph(function: Callable[..., Any], specs: list[Any]) -> Any:
    def checked(*tensors: Any) -> dict[str, Any]:
        """The function, of tensors that have the shapes of the specs."""
        # A loaded signature runs what it is given: TensorFlow compares types only.
        return function(*(tf.ensure_shape(each, spec.shape) for each, spec in zip(tensors, specs, strict=True)))

    return tf.function(checked, input_signature=specs, autograph=False)


def _runs_one_image_faster(model: Any) -> bool:
    # One image has nothing to be regrouped; a graph must know that it is one to leave that out.
    return model.execution != "masked" and bool(gated_blocks(model))


class _Functions:
    """The functions behind signatures."""

    def __init__(self, model: Any, inputs: ModelInputs, settings: ExportSettings) -> None:
        self.model, self.inputs, self.settings = model, inputs, settings
        # Traced once: other signatures call it.
        self.classify = self.classifying(inputs.specs())

    def classifying(self, specs: list[Any]) -> Any:
        """Returns the function that classifies float images, in batches as the specs say."""
        return _build_graph(freeze(self._classify, specs) if self.settings.freeze else self._classify, specs)

    def _classify(self, images: Any, *values: Any) -> dict[str, Any]:
        probabilities = self.inputs.never_empty(
            lambda x: self.model(x, training=False), self.inputs.join(images, *values)
        )
        classes = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        # What is NaN has no largest: an index of a class would be one like any other.
        unknown = tf.reduce_any(tf.math.is_nan(probabilities), axis=-1)
        return {"probabilities": probabilities, "classes": tf.where(unknown, -1, classes)}

    def classify_one_or_more(self, images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of float images, by a graph of its own where there is one image.

        A server may join requests of one image each, so that any number can come.
        """

        alone = self.classifying(self.inputs.specs(count=1))

        def classify_one() -> dict[str, Any]:
            """Class probabilities of the only image."""
            # Not by `tf.reshape` to one image: TensorFlow 2.21 then takes the batch for one image outside of the
            # condition too, and this branch always.
            return alone(*(each[:1] for each in (images, *values)))

        return tf.cond(tf.shape(images)[0] == 1, classify_one, lambda: self.classify(images, *values))

    def classify_bytes(self, images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of images of bytes."""
        return self.classify(self.inputs.scale_bytes(images), *values)

    def classify_encoded(self, images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of encoded pictures."""
        decoded = decoded_images(images, self.inputs.image_shape, self.settings.crop, self.settings.resize)
        return self.classify(self.inputs.scale_decoded(decoded), *values)

    def routes(self, images: Any, *values: Any) -> dict[str, Any]:
        """Decisions and executed MACs of float images."""
        decisions = self.inputs.never_empty(self.model.decide, self.inputs.join(images, *values))
        del decisions["probabilities"]
        named = {name.replace("/", "_"): decision for name, decision in decisions.items()}
        return {**named, "macs": _count_executed_macs(self.model, decisions, tf.shape(images)[0])}

    def tell_range(self, rows: Any) -> dict[str, Any]:
        """What black and white are to the network, once per row: a server wants as many answers as it was given."""
        return {
            name: tf.fill(tf.shape(rows), each) for name, each in zip(("low", "high"), self.inputs.range, strict=True)
        }


def _count_executed_macs(model: Any, decisions: dict[str, Any], count: Any) -> Any:
    """Returns the MACs executed for each sample, 64-bit integers: a network has more than 32 bits hold."""
    fixed, gated = cost.gated_macs(model)
    total = tf.fill((count,), tf.constant(fixed, tf.int64))
    for name, macs in gated.items():
        # As `cost.executed_macs`: an image that holds NaN has no route.
        switches = tf.where(tf.math.is_nan(decisions[name]), tf.zeros_like(decisions[name]), decisions[name])
        total += tf.reduce_sum(tf.cast(tf.round(switches), tf.int64) * tf.constant(macs, tf.int64), axis=-1)
    return total
