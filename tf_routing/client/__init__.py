"""Asks a model server for predictions, by gRPC or REST; without TensorFlow and Keras by REST."""

from tf_routing.client.errors import ModelNotFound, RequestRefused, ServerTimeout, ServerUnavailable, ServingError
from tf_routing.client.prediction import predict

__all__ = ["ModelNotFound", "RequestRefused", "ServerTimeout", "ServerUnavailable", "ServingError", "predict"]
