"""The formats of `keras.Model.export`: files are compared with the model, or the format is refused with a reason."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_routing.exporting.masked_run import running_masked
from tf_routing.exporting.verification import BATCHES, check_numbers, default_tolerance
from tf_routing.support.files import whole_file, whole_folder
from tf_routing.support.validation import one_of, positive_number

FORMATS = ("tf_saved_model", "onnx", "litert", "openvino", "torch")
"""What Keras 3.15 knows."""

_ONNX = "tf_routing.exporting.onnx.export_onnx(model, 'net.onnx')"
_INSTEAD = {
    "openvino": f"OpenVINO reads ONNX files: call {_ONNX} instead.",
    "torch": f"it needs Keras's PyTorch backend, on which this library does not run: call {_ONNX} instead.",
}
# Of the endpoint that Keras writes.
_ENDPOINT = "serve"


def export_in_format(
    model: Any,
    write: Callable[..., None],
    filepath: str | os.PathLike[str],
    format: str,
    verbose: Any = None,
    input_signature: Any = None,
    tolerance: float | None = None,
    **kwargs: Any,
) -> None:
    """Writes a model in a format that Keras knows, and compares the file with the model before it is there.

    Args:
        model: A `RoutedModel`.
        write: Keras's own method.
        filepath: File or folder to write.
        format: One of `FORMATS`.
        verbose: Boolean, whether to print where the file is; yes where not given.
        input_signature: As for Keras's method.
        tolerance: Float, largest difference of a probability; by the dtype policy where not given.
        **kwargs: As for Keras's method.

    Raises:
        ValueError: If the format cannot hold the model, what was written computes something else, or an argument is
            not possible.
        FileExistsError: If the folder of a SavedModel exists and is not empty.
        RuntimeError: If the format needs another backend.
        ImportError: If the extra `onnx` is not installed, for an ONNX file.
    """
    one_of("format", format, FORMATS)
    if format in _INSTEAD:
        raise ValueError(f"format={format!r} is not written: {_INSTEAD[format]}")
    if tolerance is not None:
        positive_number("tolerance", tolerance)
    if format == "onnx":
        _write_onnx(model, filepath, input_signature, tolerance, kwargs)
    else:
        allowed = default_tolerance(model) if tolerance is None else tolerance
        kwargs |= {"input_signature": input_signature, "verbose": False, "format": format}
        {"tf_saved_model": _write_saved_model, "litert": _write_lite}[format](model, write, filepath, allowed, kwargs)
    if verbose is None or verbose:
        print(f"Saved artifact at '{filepath}'.")


def _write_onnx(model: Any, path: Any, signature: Any, tolerance: float | None, kwargs: dict[str, Any]) -> None:
    from tf_routing.exporting.onnx import export_onnx

    if signature is not None or kwargs:
        given = ["input_signature"] * (signature is not None) + sorted(kwargs)
        raise ValueError(
            f"format='onnx' takes images of the model's size, in batches of any size, and no options. Received: "
            f"{', '.join(given)}"
        )
    export_onnx(model, path, tolerance=tolerance)


def _write_saved_model(model: Any, write: Callable[..., None], path: Any, tolerance: float, kwargs: Any) -> None:
    import tensorflow as tf

    with whole_folder(path) as folder:
        write(str(folder), **kwargs)
        loaded = tf.saved_model.load(str(folder))

        def run(inputs: Any) -> Any:
            """Probabilities."""
            return getattr(loaded, _ENDPOINT)(keras.tree.map_structure(tf.constant, inputs)).numpy()

        _check(model, run, tolerance, "a SavedModel", kwargs["input_signature"])


def _write_lite(model: Any, write: Callable[..., None], path: Any, tolerance: float, kwargs: Any) -> None:
    if not str(path).endswith(".tflite"):
        raise ValueError(f"`filepath` must end in .tflite for format='litert'. Received: filepath={str(path)!r}")
    # TensorFlow Lite has no operation that leaves images out.
    with running_masked(model), whole_file(path) as file:
        try:
            write(str(file), **kwargs)
        # The converter raises whatever it meets: each means that it does not know how to write this model.
        except Exception as error:
            raise ValueError(f"{model.name} cannot be written as litert: {type(error).__name__}: {error}") from error
        _check(model, _lite_runner(file.read_bytes()), tolerance, "litert", kwargs["input_signature"])


def _lite_runner(content: bytes) -> Callable[[Any], Any]:
    import tensorflow as tf

    with warnings.catch_warnings():
        # TensorFlow names the package that it will move to, which is not among the requirements.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)

    def run(inputs: Any) -> Any:
        """Probabilities."""
        (name,) = interpreter.get_signature_list()
        signature = interpreter.get_signature_runner(name)
        named = inputs if isinstance(inputs, dict) else dict.fromkeys(signature.get_input_details(), inputs)
        (answer,) = signature(**named).values()
        return answer

    return run


def _check(model: Any, run: Callable[[Any], Any], tolerance: float, kind: str, signature: Any) -> None:
    specs = model.input
    if signature is not None:
        specs = signature[0] if isinstance(signature, Sequence) else signature
    fixed = keras.tree.flatten(specs)[0].shape[0]
    check_numbers(model, run, tolerance, kind, specs, BATCHES if fixed is None else (fixed,))
