"""Exports models as ONNX files, which run without TensorFlow."""

import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_routing.exporting.assets.class_names import validate_names
from tf_routing.support.extras import import_extra
from tf_routing.support.files import whole_file
from tf_routing.support.validation import positive_number

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

__all__ = ["export_onnx"]

# The newest that the converter is tested with.
_OPSET = 18


def export_onnx(
    model: "RoutedModel",
    path: str | os.PathLike[str],
    *,
    fold_batch_norm: bool = True,
    class_names: Sequence[str] | None = None,
    tolerance: float | None = None,
) -> None:
    """Writes an ONNX file, and checks it before it is there.

    The file takes `images`, a batch of any size of floats in [0, 1], and gives `probabilities`; auxiliary
    inputs are inputs of the file. It runs **every** branch and weights it: ONNX has no way of running a branch on the
    images that chose it, so nothing is skipped. The numbers are the same, those of `execution="masked"`.

    The file is run in ONNX Runtime on batches of 1, 3 and 7 images of noise and compared with the model.

    Args:
        model: The model.
        path: File to write.
        fold_batch_norm: Boolean, whether batch normalisation is folded into kernels.
        class_names: Names by class index, written to the file's metadata as JSON under `class_names`.
        tolerance: Float, largest difference of a probability from the model's. Where not given 1e-5, and 5e-3 for a
            model that computes in float16, whose rounding depends on the order of sums. ONNX Runtime computes no
            convolution in bfloat16 or float64.

    Raises:
        RuntimeError: If Keras does not run on the TensorFlow backend.
        ImportError: If the extra `onnx` is not installed.
        ValueError: If `model` is no `RoutedModel`, cannot be written as ONNX, or the file computes something else; the
            message says what.

    Example:

    >>> import tempfile
    >>> import numpy as np
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
    from tf_routing.exporting.masked_run import running_masked
    from tf_routing.exporting.model_inputs import exported_model
    from tf_routing.exporting.verification import check_numbers, default_tolerance

    exported_model(model)
    if tolerance is not None:
        positive_number("tolerance", tolerance)
    names = None if class_names is None else validate_names(class_names, model.output_shape[-1])
    # All of them before the work, which takes a while.
    for module in ("onnx", "onnxruntime", "tf2onnx"):
        import_extra(module, "onnx", "ONNX export")
    run = _fold(model) if fold_batch_norm else model
    with running_masked(run), whole_file(path) as temporary:
        proto = _convert(run, {} if names is None else {"class_names": json.dumps(names)})
        temporary.write_bytes(proto)
        answer = _build_runner(run, proto)
        check_numbers(run, answer, default_tolerance(run) if tolerance is None else tolerance, "ONNX")


def _fold(model: "RoutedModel") -> "RoutedModel":
    from tf_routing.transforms.folding import fold_batch_norm

    return fold_batch_norm(model)


def _convert(model: Any, properties: dict[str, str]) -> bytes:
    import onnx
    import tensorflow as tf
    import tf2onnx

    from tf_routing.exporting.model_inputs import ModelInputs

    inputs = ModelInputs(model)
    specs = inputs.specs()

    def classify(images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of float images. Indices of classes are left out: ONNX has no `argmax` as exported."""
        return {"probabilities": model(inputs.join(images, *values), training=False)}

    function = tf.function(classify, input_signature=specs, autograph=False)
    try:
        proto, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=_OPSET)
        _add_constants(proto, function.get_concrete_function(*specs))
        onnx.checker.check_model(proto)
    # The converter raises whatever it meets: each means that it does not know how to write this model.
    except Exception as error:
        raise ValueError(f"{model.name} cannot be written as ONNX: {type(error).__name__}: {error}") from error
    onnx.helper.set_model_props(proto, properties)
    return proto.SerializeToString()


def _add_constants(proto: Any, traced: Any) -> None:
    """Writes what the converter took for inputs into a file: tensors that a function reads without being given them.

    The mean and the variance of a `Normalization` are such.
    """
    import onnx

    inputs = {each.name: each for each in proto.graph.input}
    for value, captured in traced.graph.captures:
        if captured.name in inputs:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), captured.name))
            proto.graph.input.remove(inputs[captured.name])


def _build_runner(model: Any, proto: bytes) -> Callable[[Any], Any]:
    """Returns what runs a file on what the model takes."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
    # Its exceptions are classes of its own, which share no base but Python's.
    except Exception as error:
        raise ValueError(
            f"{model.name} as ONNX is refused by ONNX Runtime, which computes convolutions in float32 and float16 "
            f"only: {type(error).__name__}: {error} Nothing was written. Give the weights to the same network built in "
            "float32: `other.set_weights(model.get_weights())`."
        ) from error

    def run(inputs: Any) -> Any:
        """Probabilities."""
        fed = {key: value.reshape(-1) for key, value in inputs.items() if key != "image"} if _is_dict(inputs) else {}
        (answer,) = session.run(None, {"images": inputs["image"] if _is_dict(inputs) else inputs, **fed})
        return answer

    return run


def _is_dict(inputs: Any) -> bool:
    return isinstance(inputs, dict)
