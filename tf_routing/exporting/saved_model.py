"""Exports models as SavedModels, which run with TensorFlow and without Keras or this package."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tf_routing.exporting.assets.card_files import card_files
from tf_routing.exporting.assets.class_names import validate_names
from tf_routing.exporting.assets.licence import LIBRARYS, read_licence
from tf_routing.exporting.checksums import write_checksums
from tf_routing.exporting.descriptions import describe
from tf_routing.exporting.export_settings import ExportSettings
from tf_routing.models import RoutedModel
from tf_routing.support.files import whole_folder
from tf_routing.support.validation import plain, unknown

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

    Its signatures take batches of any size: `serving_default` floats in [0, 1], `serve_uint8` bytes, `serve_encoded`
    encoded pictures; `serve_one`, of networks that skip, is faster for one image. They return `probabilities` and
    `classes`; `routes` returns the decisions by name and the executed `macs`. The object itself can be called and
    trained on as TensorFlow Hub defines it. `assets/` has a card, names of classes, a licence and checksums, and
    `README.md` is the card as Hugging Face reads it.
    `docs/saved_models.md` describes all of it.

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
    _require_tensorflow()
    from tf_routing.exporting.model_inputs import exported_model

    exported_model(model)
    settings = ExportSettings(version, fold_batch_norm, freeze, crop, resize).validate(model)
    architecture, training = _find_architecture(model, architecture), _validate_training(training)
    texts = {"assets/LICENSE": read_licence(license)}
    if class_names is not None:
        texts["assets/labels.txt"] = "".join(
            f"{name}\n" for name in validate_names(class_names, model.output_shape[-1])
        )
    with whole_folder(path) as folder:
        signatures = _write_graph(model, str(folder), settings)
        facts = _collect_facts(model, architecture, signatures, training, settings)
        facts["license"] = LIBRARYS if license is None else None
        _write_assets(folder, {**texts, **card_files(facts)})


def _require_tensorflow() -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Export needs the TensorFlow backend; this process runs {keras.backend.backend()!r}. Save the model, and "
            "load and export it in a process with KERAS_BACKEND=tensorflow."
        )


def _find_architecture(model: RoutedModel, architecture: str | None) -> str | None:
    from tf_routing import zoo

    known = zoo.list_models()
    if architecture is None:
        return model.name if model.name in known else None
    if architecture not in known:
        raise ValueError(unknown("architecture", architecture, known, "`tf-routing list` shows all."))
    return architecture


def _validate_training(training: Any) -> dict[str, Any] | None:
    try:
        json.dumps(plain(training))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`training` must be a dict that JSON can hold: {error}. Received: {training!r}") from error
    if training is not None and not isinstance(training, Mapping):
        raise ValueError(f"`training` must be a dict that JSON can hold. Received: training={training!r}")
    return plain(dict(training)) if training else None


def _write_graph(model: RoutedModel, folder: str, settings: ExportSettings) -> list[str]:
    """Writes graph and weights, and returns the names of the signatures."""
    import tensorflow as tf

    from tf_routing.exporting.callable_root import callable_root
    from tf_routing.exporting.model_inputs import ModelInputs
    from tf_routing.exporting.signatures import signatures
    from tf_routing.exporting.verification import warn_of_difference

    inputs = ModelInputs(model)
    root, served = callable_root(model, inputs), _fold(model) if settings.fold_batch_norm else model
    functions = signatures(served, inputs, settings)
    warn_of_difference(model, lambda x: functions["serving_default"](*inputs.split(x))["probabilities"], "SavedModel")
    # Kept apart from what is trained, and tracked: a SavedModel holds no variable that nobody owns.
    root.served_variables = [weight.value for weight in served.variables]
    tf.saved_model.save(root, folder, functions)
    return list(functions)


def _fold(model: RoutedModel) -> RoutedModel:
    from tf_routing.transforms.folding import fold_batch_norm

    folded = fold_batch_norm(model)
    # A copy of a network that has nothing to fold would only be a second set of weights.
    return folded if len(folded.weights) < len(model.weights) else model


def _collect_facts(
    model: RoutedModel,
    architecture: str | None,
    signatures: list[str],
    training: Mapping[str, Any] | None,
    settings: ExportSettings,
) -> dict[str, Any]:
    from tf_routing.exporting.assets.card_facts import collect_facts

    return collect_facts(model, architecture, signatures, training, **asdict(settings))


def _write_assets(folder: Path, texts: Mapping[str, str]) -> None:
    (folder / "assets").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    # Last: they are of every other file.
    write_checksums(folder)
