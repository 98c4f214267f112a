"""Lists the signatures of a SavedModel as JSON, without loading or running its graph."""

import json
import os
from pathlib import Path
from typing import Any


def describe(path: str | os.PathLike[str]) -> str:
    """Returns the signatures of a SavedModel as readable JSON: inputs and outputs with shapes and types.

    Args:
        path: Folder of the SavedModel.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If its file is damaged.

    Example:

    >>> import tempfile
    >>> import tensorflow as tf
    >>> from tf_routing.exporting.saved_model import describe
    >>> double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec((None, 2), name="x")])
    >>> folder = tempfile.mkdtemp()
    >>> tf.saved_model.save(tf.Module(), folder, {"double": double})
    >>> print(describe(folder))
    {
      "double": {
        "inputs": {
          "x": "float32 (None, 2)"
        },
        "outputs": {
          "y": "float32 (None, 2)"
        }
      }
    }
    """
    signatures = _read(Path(path) / "saved_model.pb").meta_graphs[0].signature_def
    # Names with two underscores are TensorFlow's own.
    shown = sorted(name for name in signatures if not name.startswith("__"))
    table = {
        name: {what: _describe_tensors(getattr(signatures[name], what)) for what in ("inputs", "outputs")}
        for name in shown
    }
    return json.dumps(table, indent=2)


def _read(file: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if not file.is_file():
        raise FileNotFoundError(f"There is no SavedModel at {file.parent}: it has no saved_model.pb.")
    try:
        saved = SavedModel.FromString(file.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{file} is damaged, or no SavedModel: {error}") from error
    if not saved.meta_graphs:
        raise ValueError(f"{file} is damaged, or no SavedModel: it holds no graph.")
    return saved


def _describe_tensors(tensors: Any) -> dict[str, str]:
    import tensorflow as tf

    return {
        name: f"{tf.as_dtype(tensors[name].dtype).name} {tuple(tf.TensorShape(tensors[name].tensor_shape).as_list())}"
        for name in sorted(tensors)
    }
