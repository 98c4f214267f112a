"""Exports models as SavedModels that run with TensorFlow alone."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_routing import cost
from tf_routing.files import whole_folder
from tf_routing.models import RoutedModel
from tf_routing.models.inputs import image_input


def export(
    model: RoutedModel, path: str | os.PathLike[str], *, class_names: list[str] | None = None, freeze: bool = False
) -> None:
    """Writes a SavedModel that loads without Keras and without this library.

    Its signatures take a batch of any size: `serving_default` float images in [0, 1], `serve_uint8` images of bytes;
    both return `probabilities` and `classes` (indices of the most probable). `routes` takes float images and returns
    the decisions by name and `macs`, executed per sample; an ensemble's are named `member_1_route_1` and so on. A model
    with more inputs than images takes them by name in every signature.

    Args:
        model: The model to export.
        path: Folder to create.
        class_names: Names by class index, written to `assets/labels.txt`.
        freeze: Boolean, whether the signatures that classify hold the weights as constants. They run faster, small
            networks that skip most of all, and the file holds the weights twice.

    Raises:
        RuntimeError: If Keras does not run on the TensorFlow backend.
        ValueError: If the number of names is not the number of classes.
        FileExistsError: If the folder exists and is not empty.

    Example:

    >>> import tempfile
    >>> import tensorflow as tf
    >>> from tf_routing import saved_model, zoo
    >>> folder = tempfile.mkdtemp() + "/digits"
    >>> saved_model.export(zoo.get("basecnn_2cc", width_multiplier=0.25), folder)
    >>> tf.saved_model.load(folder).signatures["routes"](tf.zeros((3, 32, 32, 3)))["route_2"].shape
    TensorShape([3, 2, 2])
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Export needs the TensorFlow backend; this process runs {keras.backend.backend()!r}. Save the model, and "
            "load and export it in a process with KERAS_BACKEND=tensorflow."
        )
    if class_names is not None and len(class_names) != model.output_shape[-1]:
        raise ValueError(f"`class_names` must hold {model.output_shape[-1]} names. Received: {len(class_names)} names")
    with whole_folder(path) as folder:
        _write(model, str(folder), freeze)
        if class_names is not None:
            assets = Path(folder, "assets")
            assets.mkdir(exist_ok=True)
            Path(assets, "labels.txt").write_text("\n".join(class_names) + "\n", "utf-8")


def _write(model: RoutedModel, folder: str, freeze: bool) -> None:
    import keras
    import tensorflow as tf

    from tf_routing.execution.freezing import frozen

    # The images first, then what stands beside them.
    specs = [tf.TensorSpec(image_input(model).shape, tf.float32, name="images")]
    beside = [name for name in model.input if name != "image"] if isinstance(model.input, dict) else []
    specs += [tf.TensorSpec((None,), tf.float32, name=name) for name in beside]

    def inputs(images: Any, values: Sequence[Any]) -> Any:
        """What the model takes."""
        return {"image": images, **dict(zip(beside, values, strict=True))} if beside else images

    def classify_floats(images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of float images."""
        probabilities = model(inputs(images, values), training=False)
        return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=-1, output_type=tf.int32)}

    classify = frozen(classify_floats, specs) if freeze else classify_floats

    def classify_bytes(images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of images of bytes."""
        return classify(tf.cast(images, tf.float32) / 255, *values)

    def routes(images: Any, *values: Any) -> dict[str, Any]:
        """Decisions and executed MACs of float images."""
        decisions = model.decide(inputs(images, values))
        del decisions["probabilities"]
        named = {name.replace("/", "_"): decision for name, decision in decisions.items()}
        return {**named, "macs": _executed_macs(model, decisions, tf.shape(images)[0])}

    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function, dtype in (
        ("serving_default", classify, tf.float32),
        ("serve_uint8", classify_bytes, tf.uint8),
        ("routes", routes, tf.float32),
    ):
        first = tf.TensorSpec(specs[0].shape, dtype, name="images")
        archive.add_endpoint(name, function, [first, *specs[1:]])
    archive.write_out(folder, verbose=False)


def _executed_macs(model: RoutedModel, decisions: dict[str, Any], count: Any) -> Any:
    """Returns the MACs executed for each sample, 64-bit integers: a network has more than 32 bits hold."""
    import tensorflow as tf

    fixed, gated = cost.gated_macs(model)
    total = tf.fill((count,), tf.constant(fixed, tf.int64))
    for name, macs in gated.items():
        total += tf.reduce_sum(tf.cast(tf.round(decisions[name]), tf.int64) * tf.constant(macs, tf.int64), axis=-1)
    return total


def describe(path: str | os.PathLike[str]) -> str:
    """Returns the signatures of a SavedModel as readable JSON: inputs and outputs with shapes and types."""
    import tensorflow as tf

    signatures = tf.saved_model.load(os.fspath(path)).signatures
    table = {
        name: {
            "inputs": {key: str(spec) for key, spec in function.structured_input_signature[1].items()},
            "outputs": {key: str(spec) for key, spec in function.structured_outputs.items()},
        }
        for name, function in signatures.items()
    }
    return json.dumps(table, indent=2)
