"""Exports models as ONNX files, which run without TensorFlow."""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_routing.extras import import_extra
from tf_routing.files import whole_file
from tf_routing.validation import positive_number

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

__all__ = ["export_onnx"]

_BATCHES = (1, 3, 7)
_SEED = 0
# The newest that the converter is tested with.
_OPSET = 18


def export_onnx(
    model: "RoutedModel",
    path: str | os.PathLike[str],
    *,
    fold_batch_norm: bool = True,
    class_names: Sequence[str] | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Writes an ONNX file, and checks it before it is there.

    The file takes `images`, a batch of any size of floats in [0, 1], and gives `probabilities`; what stands beside
    images are inputs of their own. It runs **every** branch and weights it: ONNX has no way of running a branch on the
    images that chose it, so nothing is skipped. The numbers are the same, those of `execution="masked"`.

    The file is run in ONNX Runtime on batches of 1, 3 and 7 images of noise and compared with the model.

    Args:
        model: The model.
        path: File to write.
        fold_batch_norm: Boolean, whether batch normalisation is folded into kernels.
        class_names: Names by class index, written to the file's metadata as JSON under `class_names`.
        tolerance: Float, largest difference of a probability from the model's.

    Raises:
        RuntimeError: If Keras does not run on the TensorFlow backend.
        ImportError: If the extra `onnx` is not installed.
        ValueError: If the model cannot be written as ONNX, or the file computes something else; the message says what.

    Example:

    >>> import tempfile
    >>> import onnxruntime
    >>> from tf_routing import onnx_export, zoo
    >>> path = tempfile.mkdtemp() + "/digits.onnx"
    >>> onnx_export.export_onnx(zoo.get("decide_static1", width_multiplier=0.25), path)
    >>> session = onnxruntime.InferenceSession(path)
    >>> session.run(None, {"images": np.zeros((2, 32, 32, 3), "float32")})[0].shape
    (2, 10)
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"ONNX needs the TensorFlow backend; this process runs {keras.backend.backend()!r}.")
    positive_number("tolerance", tolerance)
    if class_names is not None and len(class_names) != model.output_shape[-1]:
        raise ValueError(f"`class_names` must hold {model.output_shape[-1]} names. Received: {len(class_names)} names")
    # All of them before the work, which takes a while.
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        import_extra(module, "onnx", "ONNX export")
    with _masked(model, fold_batch_norm) as run:
        proto = _converted(run, {} if class_names is None else {"class_names": json.dumps(list(class_names))})
        with whole_file(path) as temporary:
            temporary.write_bytes(proto)
            _check(run, proto, tolerance)


@contextmanager
def _masked(model: "RoutedModel", fold: bool) -> Iterator["RoutedModel"]:
    """Yields what runs every branch: a folded copy, or the model itself, which is given back as it was."""
    from tf_routing.folding import fold_batch_norm

    before, run = model.execution, fold_batch_norm(model) if fold else model
    run.execution = "masked"
    try:
        yield run
    finally:
        model.execution = before


def _converted(model: Any, properties: dict[str, str]) -> bytes:
    import onnx
    import tensorflow as tf
    import tf2onnx

    from tf_routing.exporting.model_inputs import ModelInputs

    inputs = ModelInputs(model)
    specs = inputs.specs()

    def classify(images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of float images. Indices of classes are left out: ONNX has no `argmax` as exported."""
        return {"probabilities": model(inputs.joined(images, *values), training=False)}

    function = tf.function(classify, input_signature=specs, autograph=False)
    try:
        proto, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=_OPSET)
        onnx.checker.check_model(proto)
    # The converter raises whatever it meets: each means that it does not know how to write this model.
    except Exception as error:
        raise ValueError(f"{model.name} cannot be written as ONNX: {type(error).__name__}: {error}") from error
    onnx.helper.set_model_props(proto, properties)
    return proto.SerializeToString()


def _check(model: Any, proto: bytes, tolerance: float) -> None:
    import onnxruntime

    from tf_routing.exporting.model_inputs import ModelInputs

    session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
    inputs, random = ModelInputs(model), np.random.default_rng(_SEED)
    for count in _BATCHES:
        images = random.uniform(size=(count, *inputs.image_shape)).astype("float32")
        beside = [np.zeros(count, "float32") for _ in inputs.beside]
        fed = {"images": images, **dict(zip(inputs.beside, beside, strict=True))}
        (answer,) = session.run(None, fed)
        expected = np.asarray(model(inputs.joined(images, *beside), training=False))
        if not np.allclose(answer, expected, rtol=0, atol=tolerance):
            raise ValueError(
                f"{model.name} as ONNX differs by {np.abs(answer - expected).max():.1e} from itself, more than "
                f"tolerance={tolerance:g}: nothing was written."
            )


def add_onnx_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--onnx` to the options of a command."""
    parser.add_argument("--onnx", metavar="FILE", help="write an ONNX file, which runs every branch and skips nothing")


def export_parsed(arguments: argparse.Namespace, model: "RoutedModel", **export_arguments: Any) -> None:
    """Writes an ONNX file where the options say so, and prints where it is.

    Args:
        arguments: Parsed options.
        model: The model.
        **export_arguments: See `export_onnx`.
    """
    if arguments.onnx is not None:
        export_onnx(model, arguments.onnx, **export_arguments)
        print(f"Wrote {arguments.onnx}, which runs every branch.")
