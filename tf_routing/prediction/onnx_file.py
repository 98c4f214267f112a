"""Classifiers from ONNX files that `onnx_export.export_onnx` wrote."""

import json
from pathlib import Path

import numpy as np

from tf_routing.core.pixel_values import UNIT
from tf_routing.data.images.decoding.framing import Framing
from tf_routing.models.inputs.input_range import check_range
from tf_routing.prediction.checks import check_image_shape, name_classes, refuse_other_inputs
from tf_routing.prediction.classifier import Answers, Classifier
from tf_routing.support.extras import import_extra

_TOLD = ("framing", "input_range", "class_names")
_NO_DECISIONS = ("probabilities", "classes", "macs")


def load_onnx_file(path: str) -> Classifier:
    """Loads an ONNX file into ONNX Runtime; see `loading.load_classifier`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file at {path}.")
    onnxruntime = import_extra("onnxruntime", "onnx", "Reading an ONNX file")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # Its exceptions are classes of its own, which share no base but Python's.
    except Exception as error:
        raise ValueError(f"{path} is no ONNX file that ONNX Runtime reads: {error}") from error
    inputs = {each.name: each.shape for each in session.get_inputs()}
    shapes = {each.name: each.shape for each in session.get_outputs()}
    if "images" not in inputs or "probabilities" not in shapes:
        raise ValueError(
            f"{path} must be a file that tf-routing export --onnx wrote, from `images` to `probabilities`. It goes "
            f"from {', '.join(inputs)} to {', '.join(shapes)}."
        )
    refuse_other_inputs(path, [name for name in inputs if name != "images"])
    height, width, channels = check_image_shape(path, inputs["images"][1:])
    metadata = session.get_modelmeta().custom_metadata_map
    told = {name: json.loads(metadata[name]) for name in _TOLD if name in metadata}
    taken = check_range("input_range", told.get("input_range", UNIT))
    names = name_classes(told.get("class_names"), shapes["probabilities"][-1])

    def run(images: np.ndarray) -> Answers:
        """Probabilities, and of a file that skips switches and executed MACs too."""
        found = dict(zip(shapes, session.run(None, {"images": images}), strict=True))
        switches = {name: each for name, each in found.items() if name not in _NO_DECISIONS and each.ndim == 2}
        return Answers(found["probabilities"], switches, found.get("macs"))

    return Classifier(run, Framing(height, width, **told.get("framing", {})), channels, names, taken)
