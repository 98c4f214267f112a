"""Exports models as ONNX files, which run without TensorFlow, and skip."""

import json
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_routing.exporting.assets.class_names import validate_names
from tf_routing.support.extras import import_extra
from tf_routing.support.files import whole_file
from tf_routing.support.validation import one_of, positive_number

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel

__all__ = ["export_onnx"]


def export_onnx(
    model: "RoutedModel",
    path: str | os.PathLike[str],
    *,
    execution: str = "auto",
    subgraphs: bool = True,
    fold_batch_norm: bool = True,
    class_names: Sequence[str] | None = None,
    crop: float = 1.0,
    resize: int | None = None,
    tolerance: float | None = None,
) -> None:
    """Writes an ONNX file, and checks it before it is there.

    The file takes `images`, a batch of any size, also of none, of floats in the range that the model takes, [0, 1]
    where it has no other `input_range`; auxiliary inputs are inputs of the file. It **skips**: a part of the network
    runs on the rows that chose it, which are gathered before and put in their place afterwards, and rows that leave
    early are carried no further. It gives

    * `probabilities` `(batch, classes)`;
    * `classes` `(batch,)`, the index of the greatest, -1 for an image that holds NaN or infinity;
    * every decision by the name of its router, `(batch, choices)`, slashes written as underscores;
    * `macs` `(batch,)`, the MACs executed for each image.

    With `execution="masked"`, and where a network has nothing to skip, the file runs every branch and weighs it, as
    tf2onnx converts it, and gives `probabilities` alone. The numbers are the same.

    The metadata of a file that skips says in JSON of what: `static_macs`, the MACs of the most expensive route, and
    `exit_tree`, as `exit_tree.to_config` writes it, null for a network without exits.

    The file is run in ONNX Runtime on batches of 0, 1, 3 and 7 images of noise and compared with the model. OpenVINO
    reads it too.

    Args:
        model: The model.
        path: File to write.
        execution: `"auto"` skips where the network can, `"sparse"` refuses one that cannot, `"masked"` never skips.
        subgraphs: Boolean, whether what comes after an exit stands in subgraphs of `If`, which are not entered where no
            image is left. Without, all operations stand in one graph, and run on no rows then. ONNX Runtime's
            `quantize_static` quantises what stands in no subgraph; OpenVINO pools no rows, and needs them.
        fold_batch_norm: Boolean, whether batch normalisation is folded into kernels.
        class_names: Names by class index, written to the file's metadata as JSON under `class_names`.
        crop: Number in (0, 1], the share of a picture's centre that the network sees. It is written to the file's
            metadata, as JSON with `resize` under `framing`, for who brings pictures to the network's size.
        resize: Integer or `None`, height and width that pictures are brought to instead; see `tf_routing.export`.
        tolerance: Float, largest difference of a probability from the model's. Where not given 1e-5, and 5e-3 for a
            model that computes in float16, whose rounding depends on the order of sums. ONNX Runtime computes no
            convolution in bfloat16 or float64.

    Raises:
        RuntimeError: If Keras does not run on the TensorFlow backend.
        ImportError: If the extra `onnx` is not installed.
        ValueError: If `model` is no `RoutedModel`, cannot be written as ONNX, or the file computes something else; the
            message says what, and names a layer that files which skip do not know.

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
    from tf_routing.core.pixel_values import UNIT
    from tf_routing.execution import EXECUTIONS, check_skips
    from tf_routing.exporting.export_settings import ExportSettings
    from tf_routing.exporting.masked_run import running_masked
    from tf_routing.exporting.model_inputs import exported_model
    from tf_routing.exporting.verification import BATCHES, check_numbers, default_tolerance
    from tf_routing.models.inputs.input_range import input_range

    exported_model(model)
    check_skips(model, one_of("execution", execution, EXECUTIONS))
    if tolerance is not None:
        positive_number("tolerance", tolerance)
    names = None if class_names is None else validate_names(class_names, model.output_shape[-1])
    framing = ExportSettings(crop=crop, resize=resize).validate(model)
    # All of them before the work, which takes a while.
    skipping = skips(model, execution)
    for module in ("onnx", "onnxruntime", *(() if skipping else ("tf2onnx",))):
        import_extra(module, "onnx", "ONNX export")
    run = _fold(model) if fold_batch_norm else model
    with running_masked(run), whole_file(path) as temporary:
        told = {
            "framing": {"crop": framing.crop, "resize": framing.resize},
            # Only where it is another than that of all other files.
            "input_range": None if input_range(model) == UNIT else input_range(model),
            "class_names": names,
            **(_describe_whole(model) if skipping else {}),
        }
        properties = {name: json.dumps(each) for name, each in told.items() if each is not None}
        proto = _convert(run, skipping, subgraphs, properties)
        temporary.write_bytes(proto)
        allowed = default_tolerance(run) if tolerance is None else tolerance
        batches = (0, *BATCHES) if skipping else BATCHES
        check_numbers(run, _build_runner(run, proto), allowed, "ONNX", batches=batches)


def skips(model: "RoutedModel", execution: str) -> bool:
    """Whether the ONNX file of a model leaves out what images do not choose.

    Args:
        model: The model.
        execution: As for `export_onnx`.

    Example:

    >>> from tf_routing import onnx_export, zoo
    >>> onnx_export.skips(zoo.get("basecnn", width_multiplier=0.25), "auto")
    False
    """
    from tf_routing.execution import gated_blocks

    return execution != "masked" and bool(gated_blocks(model))


def _describe_whole(model: "RoutedModel") -> dict[str, Any]:
    """Returns what the file is a part of on each image; no tree of a network without exits."""
    from tf_routing.exit_tree import find_tree, to_config

    tree = find_tree(model)
    return {"static_macs": model.static_cost, "exit_tree": None if tree is None else to_config(tree)}


def _fold(model: "RoutedModel") -> "RoutedModel":
    from tf_routing.transforms.folding import fold_batch_norm

    return fold_batch_norm(model)


def _convert(model: Any, skipping: bool, subgraphs: bool, properties: dict[str, str]) -> bytes:
    import onnx

    try:
        proto = _write(model, skipping, subgraphs)
    # The converter raises whatever it meets: each means that it does not know how to write this model.
    except Exception as error:
        raise ValueError(f"{model.name} cannot be written as ONNX: {type(error).__name__}: {error}") from error
    onnx.helper.set_model_props(proto, properties)
    return proto.SerializeToString()


def _write(model: Any, skipping: bool, subgraphs: bool) -> Any:
    if skipping:
        from tf_routing.exporting.onnx_writing.model import write_skipping

        return write_skipping(model, subgraphs)
    from tf_routing.exporting.onnx_masked import convert_masked

    return convert_masked(model)


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
        (answer,) = session.run(["probabilities"], {"images": inputs["image"] if _is_dict(inputs) else inputs, **fed})
        return answer

    return run


def _is_dict(inputs: Any) -> bool:
    return isinstance(inputs, dict)
