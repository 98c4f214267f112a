"""Runs networks on CPUs: each function returns one of images that answers with class probabilities."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], Any]


def load_onnxruntime(file: bytes, threads: int | None = None, outputs: Sequence[str] = ("probabilities",)) -> Run:
    """Loads a file into ONNX Runtime, on so many threads, its own choice where not given; it answers with a list."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(list(outputs), {"images": images})


def load_openvino(file: bytes, threads: int | None = None) -> Run:
    """Loads a file into OpenVINO, on so many threads and then in one stream, its own choice where not given."""
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        settings |= {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    core = openvino.Core()
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()
    return lambda images: request.infer({"images": images})


RUNTIMES: dict[str, Callable[[bytes, int | None], Run]] = {
    "onnxruntime": load_onnxruntime,
    "openvino": load_openvino,
}
"""Functions that load, by the name of the package."""


def use_one_thread() -> None:
    """Lets TensorFlow compute on one thread; before anything else is asked of it."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def load_tensorflow(folded: Any, batches: Iterable[int]) -> Run:
    """Compiles a folded network, its weights written into the graph, for batches of so many images."""
    import tensorflow as tf

    from tf_routing.execution.freezing import freeze

    size = folded.input_shape[1:]
    compiled = {
        batch: freeze(lambda x: folded(x, training=False), [tf.TensorSpec((batch, *size), tf.float32)])
        for batch in batches
    }
    return lambda images: np.asarray(compiled[len(images)](tf.constant(images)))


def in_rounds(run: Run, rounds: np.ndarray, batch: int) -> Callable[[int], None]:
    """Returns a function of a round's number that runs the images of the round, one batch after the other.

    Args:
        run: A network.
        rounds: Array `(rounds, images, height, width, channels)`.
        batch: Integer, images per batch.
    """

    def run_round(number: int) -> None:
        """Runs one batch after the other."""
        for start in range(0, rounds.shape[1], batch):
            run(rounds[number, start : start + batch])

    return run_round


def load_runs(model: Any, batches: Iterable[int]) -> dict[str, Run]:
    """Returns functions that run a network as it is now, folded, on one thread, by runtime.

    Args:
        model: A `RoutedModel`.
        batches: How many images a batch may have.
    """
    from tf_routing import fold_batch_norm
    from tf_routing.exporting.onnx_writing.model import write_skipping

    folded = fold_batch_norm(model)
    return {
        "tensorflow": load_tensorflow(folded, batches),
        "onnxruntime": load_onnxruntime(write_skipping(folded).SerializeToString(), threads=1),
    }
