"""Calls of TensorFlow Serving by gRPC, and its status codes as exceptions."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.client.errors import ModelNotFound, RequestRefused, ServerTimeout, ServerUnavailable, ServingError
from tf_routing.client.servable import Servable
from tf_routing.support.extras import import_extra

_ERRORS: dict[str, type[ServingError]] = {
    "DEADLINE_EXCEEDED": ServerTimeout,
    "FAILED_PRECONDITION": RequestRefused,
    "INVALID_ARGUMENT": RequestRefused,
    "NOT_FOUND": ModelNotFound,
    "OUT_OF_RANGE": RequestRefused,
    "UNAVAILABLE": ServerUnavailable,
}
_HINTS = {"RESOURCE_EXHAUSTED": " A smaller `batch_size` makes smaller messages."}
# No limit: the size of a batch is the caller's choice, and the default limit of gRPC is 4 MiB.
_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GrpcCaller:
    """Sends batches to one signature of a model.

    Args:
        location: `host:port`.
        servable: The `Servable`.
        timeout: Float, seconds within which a request must be answered.
    """

    def __init__(self, location: str, servable: Servable, timeout: float) -> None:
        self._grpc = import_extra("grpc", "serving", "The client")
        services = import_extra("tensorflow_serving.apis.prediction_service_pb2_grpc", "serving", "gRPC")
        self._channel = self._grpc.insecure_channel(location, options=_OPTIONS)
        self._stub = services.PredictionServiceStub(self._channel)
        self._location, self._servable, self._timeout = location, servable, timeout

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs for one batch, by name."""
        import tensorflow as tf

        request = predict_request(self._servable, batch)
        try:
            answer = self._stub.Predict(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            raise self._translate(error) from error
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def close(self) -> None:
        """Closes the channel to the server."""
        self._channel.close()

    def _translate(self, error: Any) -> ServingError:
        status, where = error.code().name, f"grpc://{self._location}"
        if status == "DEADLINE_EXCEEDED":
            return ServerTimeout(f"{where} did not answer within {self._timeout:g} s.")
        kind = _ERRORS.get(status, ServingError)
        hint = _HINTS.get(status, "")
        return kind(f"{where} answered {status} for {self._servable}: {error.details()}{hint}")


def predict_request(servable: Servable, batch: Mapping[str, np.ndarray]) -> Any:
    """Returns the request message for a batch.

    Args:
        servable: The `Servable`.
        batch: Dict from the signature's input names to arrays.

    Raises:
        ImportError: If the extra `serving` is not installed.
    """
    import tensorflow as tf

    messages = import_extra("tensorflow_serving.apis.predict_pb2", "serving", "gRPC")
    request = messages.PredictRequest()
    request.model_spec.name = servable.model
    request.model_spec.signature_name = servable.signature
    if servable.version is not None:
        request.model_spec.version.value = servable.version
    for name, value in batch.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request
