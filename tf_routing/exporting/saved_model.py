"""Exports models as SavedModels, which run with TensorFlow and without Keras or this package."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tf_routing.data.images.decoding.framing import check_crop
from tf_routing.exporting.assets.class_names import checked_names
from tf_routing.exporting.assets.licence import licence_text
from tf_routing.exporting.checksums import write_checksums
from tf_routing.exporting.descriptions import describe
from tf_routing.models import RoutedModel
from tf_routing.models.inputs.batches import image_input
from tf_routing.support.files import whole_folder
from tf_routing.support.validation import plain, positive_integer, unknown

__all__ = ["describe", "export"]


def export(
    model: RoutedModel,
    path: str | os.PathLike[str],
    *,
    fold_batch_norm: bool = True,
    version: int = 1,
    freeze: bool = False,
    crop: float = 1.0,
    resize: int | None = None,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    training: Mapping[str, Any] | None = None,
    license: str | os.PathLike[str] | None = None,
) -> None:
    """Writes a SavedModel that loads without Keras and without this library, and skips what is switched off.

    Its signatures take a batch of any size. A signature has one type of images, so there is one for each:
    `serving_default` takes floats in [0, 1], `serve_uint8` bytes, `serve_encoded` strings, JPEG, PNG, GIF, BMP or WebP
    files of any size up to `exporting.decoding.MOST_PIXELS`, for networks that see 1 or 3 channels. They return
    `probabilities` and `classes` (indices of the most probable). `routes` takes floats and returns the decisions by
    name and `macs`, executed per sample; an ensemble's are named `member_1_route_1` and so on. Networks that skip have
    `serve_one` besides, floats too, which runs faster where it is given one image. A model with more inputs than images
    takes them by name in every signature.

    An empty batch gives empty answers. An image that holds NaN or infinity gets NaN, decisions included, the class -1,
    and changes none of the others; its `macs` are what every image costs. Signatures name their outputs, in no order:
    the card has the decisions in order of depth.

    The SavedModel is reusable as TensorFlow Hub defines it: it can be called with floats or bytes,
    `loaded(images, training=False)`, returns probabilities and has `variables`, `trainable_variables` and
    `regularization_losses`. In Keras 3 it is a layer: `keras.layers.TFSMLayer(path, call_training_endpoint="train")`.
    Signatures do not follow when these are trained: with `fold_batch_norm` they run a copy, which the file holds
    besides.

    `assets/` holds `card.json` and `card.md` (what the model is, the version, what its papers report), `labels.txt`
    where there are names, `LICENSE`, and `SHA256SUMS` of every other file.

    Args:
        model: The model to export.
        path: Folder to create.
        fold_batch_norm: Boolean, whether signatures run a copy with batch normalisation folded into kernels. The same
            numbers up to rounding, in less time.
        version: Positive integer, noted in `assets/card.json`.
        freeze: Boolean, whether the signatures that classify hold the weights as constants. They run faster, small
            networks that skip most of all, and the file holds these weights once more per signature of its own.
        crop: Number in (0, 1], the share of a picture that `serve_encoded` sees: it is brought, in its ratio, to the
            smallest size of which an image is this share of height and width, and the centre is cut out. Photographs
            are evaluated at 224 / 256. A picture that has the size of an image is seen as it is.
        resize: Integer, height and width that `serve_encoded` brings a picture to instead, whatever its ratio.
        class_names: Names by class index, written to `assets/labels.txt`.
        architecture: Name in the zoo, for the card; the model's name where that is one.
        training: How the model was trained, for the card: a dict that JSON can hold.
        license: File with the licence of the weights; where not given, this library's stands for them too.

    Raises:
        RuntimeError: If Keras does not run on the TensorFlow backend.
        ValueError: If `model` is no `RoutedModel`, or a value is not possible, for example the number of names not the
            number of classes.
        FileNotFoundError: If `license` names no file.
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
    _check_backend()
    from tf_routing.exporting.model_inputs import exported_model

    exported_model(model)
    positive_integer("version", version)
    check_crop(crop)
    _check_resize(model, resize)
    architecture, training = _known_architecture(model, architecture), _checked_training(training)
    files = {"LICENSE": licence_text() if license is None else Path(license).read_text("utf-8")}
    if class_names is not None:
        files["labels.txt"] = "".join(f"{name}\n" for name in checked_names(class_names, model.output_shape[-1]))
    with whole_folder(path) as folder:
        signatures = _write(model, str(folder), fold_batch_norm, freeze, float(crop), resize)
        seen = {"crop": float(crop), "resize": resize}
        settings = {"version": version, "fold_batch_norm": fold_batch_norm, "freeze": freeze, **seen}
        files |= _cards(model, architecture, signatures, training, settings)
        (folder / "assets").mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / "assets" / name).write_text(text, "utf-8")
        write_checksums(folder)


def _check_backend() -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Export needs the TensorFlow backend; this process runs {keras.backend.backend()!r}. Save the model, and "
            "load and export it in a process with KERAS_BACKEND=tensorflow."
        )


def _check_resize(model: RoutedModel, resize: Any) -> None:
    if resize is None:
        return
    longest = max(image_input(model).shape[1:3])
    if positive_integer("resize", resize) < longest:
        raise ValueError(f"`resize` must be at least {longest}, a side of the images. Received: resize={resize!r}")


def _known_architecture(model: RoutedModel, architecture: str | None) -> str | None:
    from tf_routing import zoo

    known = zoo.list_models()
    if architecture is None:
        return model.name if model.name in known else None
    if architecture not in known:
        raise ValueError(unknown("architecture", architecture, known, "`tf-routing list` shows all."))
    return architecture


def _checked_training(training: Any) -> dict[str, Any] | None:
    try:
        json.dumps(plain(training))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`training` must be a dict that JSON can hold: {error}. Received: {training!r}") from error
    if training is not None and not isinstance(training, Mapping):
        raise ValueError(f"`training` must be a dict that JSON can hold. Received: training={training!r}")
    return plain(dict(training)) if training else None


def _write(model: RoutedModel, folder: str, fold: bool, freeze: bool, crop: float, resize: int | None) -> list[str]:
    """Writes graph and weights, and returns the names of the signatures."""
    import tensorflow as tf

    from tf_routing.exporting.callable_root import callable_root
    from tf_routing.exporting.model_inputs import ModelInputs
    from tf_routing.exporting.signatures import signatures

    inputs = ModelInputs(model)
    root, served = callable_root(model, inputs), _folded(model) if fold else model
    functions = signatures(served, inputs, freeze, crop, resize)
    # Kept apart from what is trained, and tracked: a SavedModel holds no variable that nobody owns.
    root.served_variables = [weight.value for weight in served.variables]
    tf.saved_model.save(root, folder, functions)
    return list(functions)


def _folded(model: RoutedModel) -> RoutedModel:
    from tf_routing.transforms.folding import fold_batch_norm

    folded = fold_batch_norm(model)
    # A copy of a network that has nothing to fold would only be a second set of weights.
    return folded if len(folded.weights) < len(model.weights) else model


def _cards(
    model: RoutedModel,
    architecture: str | None,
    signatures: list[str],
    training: Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> dict[str, str]:
    from tf_routing.exporting.assets.cards import card_text, export_card

    card = export_card(model, architecture, signatures, training, **settings)
    return {"card.json": json.dumps(card, indent=2) + "\n", "card.md": card_text(card)}
