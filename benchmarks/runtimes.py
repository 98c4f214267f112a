"""Runs ONNX files on CPUs: each function returns one of images that answers with class probabilities."""

from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], Any]


def load_onnxruntime(file: bytes, threads: int | None = None) -> Run:
    """Loads a file into ONNX Runtime, on so many threads, its own choice where not given."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})


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
