"""A small model server for loopback connections: SavedModels behind the gRPC and REST interfaces of TensorFlow Serving.

It runs the graphs for real, joins requests as TensorFlow Serving does where it is told to, and can be told to
misbehave for the next requests.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Lock, Thread
from typing import Any

import numpy as np
import tensorflow as tf

_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(?::(predict)|/(metadata))")
_STATUS = {"NOT_FOUND": 404, "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 412, "UNAVAILABLE": 503, "INTERNAL": 500}


# Seconds that a request waits for others.
_PATIENCE = 60


class Refusal(Exception):
    """A status of gRPC, and the words that go with it."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class ModelServer:
    """Loaded SavedModels. `troubles` holds what the next requests run before they are answered.

    `join` says how many requests for one signature wait for one another and are run as one batch.
    """

    def __init__(self, folder: Path) -> None:
        self.versions = {
            base.name: {int(each.name): tf.saved_model.load(str(each)).signatures for each in base.iterdir()}
            for base in folder.iterdir()
            if base.is_dir()
        }
        self.troubles: list[Callable[[], None]] = []
        self.requests, self.join = 0, 1
        self._lock, self._waiting = Lock(), {}

    def signature(self, model: str, version: int | None, name: str) -> Any:
        """Returns what a request is for."""
        versions = self.versions.get(model, {})
        number = max(versions, default=0) if version is None else version
        if number not in versions:
            raise Refusal("NOT_FOUND", f"Servable not found for request: {model}, version {version or 'latest'}")
        if name not in versions[number]:
            raise Refusal("INVALID_ARGUMENT", f'Serving signature name: "{name}" not found in signature def')
        return versions[number][name]

    def answer(self, function: Any, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Runs a signature."""
        self.requests += 1
        if self.troubles:
            self.troubles.pop(0)()
        return self._joined(function, inputs) if self.join > 1 else self._run(function, inputs)

    def _joined(self, function: Any, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Runs a signature on the inputs of all requests that are waiting, and returns the rows of this one."""
        with self._lock:
            barrier, requests, outcome = self._waiting.setdefault(id(function), (Barrier(self.join), [], {}))
            number = len(requests)
            requests.append(inputs)
        barrier.wait(_PATIENCE)
        with self._lock:
            if not outcome:
                self._waiting.pop(id(function))
                outcome.update(self._together(function, requests))
        if "refusal" in outcome:
            raise outcome["refusal"]
        ends = np.cumsum([len(next(iter(each.values()))) for each in requests])
        start = ends[number] - len(next(iter(inputs.values())))
        return {name: value[start : ends[number]] for name, value in outcome["outputs"].items()}

    def _together(self, function: Any, requests: list[dict[str, Any]]) -> dict[str, Any]:
        """The outputs of all requests, or the refusal that all of them get."""
        shapes = {tuple((name, *value.shape[1:]) for name, value in sorted(each.items())) for each in requests}
        try:
            if len(shapes) > 1:
                raise Refusal("FAILED_PRECONDITION", "Tensors from different tasks have different shapes")
            merged = {name: tf.concat([each[name] for each in requests], axis=0) for name in requests[0]}
            outputs = self._run(function, merged)
            rows = len(next(iter(merged.values())))
            if any(value.shape[:1] != (rows,) for value in outputs.values()):
                raise Refusal("FAILED_PRECONDITION", "Batched output tensor's 0th dimension is not that of the inputs")
        except Refusal as refusal:
            return {"refusal": refusal}
        return {"outputs": outputs}

    @staticmethod
    def _run(function: Any, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        try:
            return {name: value.numpy() for name, value in function(**inputs).items()}
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            raise Refusal("INVALID_ARGUMENT", str(error)) from error


def unavailable() -> None:
    """A trouble: there is no room."""
    raise Refusal("UNAVAILABLE", "the queue is full")


def broken() -> None:
    """A trouble: the server itself fails."""
    raise Refusal("INTERNAL", "out of paper")


def spoilt() -> None:
    """A trouble: the request was joined with one that is wrong."""
    raise Refusal("INVALID_ARGUMENT", "Invalid PNG data")


def slow(seconds: float) -> Callable[[], None]:
    """A trouble: the answer takes time."""
    return lambda: time.sleep(seconds)


@contextmanager
def served_by_rest(server: ModelServer) -> Iterator[str]:
    """Serves by REST, and yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._respond(self._predict)

        def do_GET(self) -> None:
            self._respond(self._metadata)

        def _respond(self, act: Callable[[str, int | None], Any]) -> None:
            found = _PATH.fullmatch(self.path)
            try:
                if found is None:
                    raise Refusal("INVALID_ARGUMENT", f"Malformed request: {self.command} {self.path}")
                status, content = 200, act(found[1], found[2] and int(found[2]))
            except Refusal as refusal:
                status, content = _STATUS[refusal.status], {"error": refusal.words}
            body = json.dumps(content).encode()
            # Who waited too long is gone.
            with suppress(BrokenPipeError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def _predict(self, model: str, version: int | None) -> Any:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            function = server.signature(model, version, request["signature_name"])
            specs = function.structured_input_signature[1]
            try:
                inputs = {
                    key: tf.constant(_decoded(value), specs[key].dtype) for key, value in request["inputs"].items()
                }
            except (KeyError, TypeError, ValueError) as error:
                raise Refusal("INVALID_ARGUMENT", f"Failed to process element: {error!r}") from error
            outputs = {key: value.tolist() for key, value in server.answer(function, inputs).items()}
            return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}

        def _metadata(self, model: str, version: int | None) -> Any:
            versions = server.versions[model]
            signatures = versions[version or max(versions)]
            table = {name: {"outputs": dict.fromkeys(each.structured_outputs)} for name, each in signatures.items()}
            return {"metadata": {"signature_def": {"signature_def": table}}}

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


@contextmanager
def served_by_grpc(server: ModelServer) -> Iterator[str]:
    """Serves by gRPC, and yields the address."""
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:
            spec = request.model_spec
            version = spec.version.value if spec.HasField("version") else None
            try:
                function = server.signature(spec.name, version, spec.signature_name)
                inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
                outputs = server.answer(function, inputs)
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.status], refusal.words)
            response = predict_pb2.PredictResponse()
            for key, value in outputs.items():
                response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
            return response

    running = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        running.stop(None).wait()
