"""Warm-up requests in a version, which TensorFlow Serving runs before it answers others.

A graph's first run takes longer than the others: kernels are chosen and memory is taken then.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_routing.client.remote_call import predict_request
from tf_routing.client.servable import Servable
from tf_routing.support.extras import import_extra

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")
_SEED = 0
# Side of images for signatures that leave their size open.
_SIDE = 32
# Prefix of signatures that TensorFlow adds for initialisation.
_PRIVATE = "__"


def write_warm_up(saved_model: Path, name: str, sizes: Sequence[int]) -> None:
    """Writes warm-up requests into a SavedModel, one per signature and batch size.

    A signature with a fixed batch size gets one request of that size.

    Args:
        saved_model: Folder of the SavedModel.
        name: Name of the model on the server.
        sizes: Images per request.

    Raises:
        ImportError: If the extra `serving` is not installed.
    """
    import tensorflow as tf

    messages = import_extra("tensorflow_serving.apis.prediction_log_pb2", "serving", "Publishing")
    (saved_model / WARM_UP).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(saved_model / WARM_UP)) as writer:
        for request in _build_requests(saved_model, name, sizes):
            log = messages.PredictionLog(predict_log=messages.PredictLog(request=request))
            writer.write(log.SerializeToString())


def _build_requests(saved_model: Path, name: str, sizes: Sequence[int]) -> Iterator[Any]:
    random = np.random.default_rng(_SEED)
    for signature, inputs in _read_signatures(saved_model).items():
        fixed = max(each.tensor_shape.dim[0].size for each in inputs.values())
        for size in sizes if fixed < 0 else (fixed,):
            batch = {key: _draw_inputs(each, size, random) for key, each in inputs.items()}
            yield predict_request(Servable(name, None, signature), batch)


def _read_signatures(saved_model: Path) -> dict[str, Mapping[str, Any]]:
    """Returns the inputs of all signatures by name, read without loading the graph."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = (saved_model / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    found = graph.signature_def.items()
    return {name: each.inputs for name, each in sorted(found) if not name.startswith(_PRIVATE)}


def _draw_inputs(spec: Any, size: int, random: np.random.Generator) -> np.ndarray:
    """What an input takes: noise, so that images differ and gates see more than one colour."""
    import tensorflow as tf

    dtype = tf.as_dtype(spec.dtype)
    shape = (size, *(_SIDE if each.size < 0 else each.size for each in spec.tensor_shape.dim[1:]))
    if dtype == tf.string:
        pictures = random.integers(0, 256, (size, _SIDE, _SIDE, 3), "uint8")
        return np.array([tf.io.encode_png(each).numpy() for each in pictures], dtype=object)
    if dtype.is_integer:
        return random.integers(0, 256, shape).astype(dtype.as_numpy_dtype)
    # The only auxiliary input is a column of costs, of which zero is one.
    drawn = random.uniform(size=shape) if len(shape) > 2 else np.zeros(shape)
    return drawn.astype(dtype.as_numpy_dtype)
