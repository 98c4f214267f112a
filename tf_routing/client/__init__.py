"""A client of TensorFlow Serving, by gRPC or REST; REST needs neither TensorFlow nor Keras."""

from tf_routing.client.errors import ModelNotFound, RequestRefused, ServerTimeout, ServerUnavailable, ServingError
from tf_routing.client.prediction import predict

__all__ = ["ModelNotFound", "RequestRefused", "ServerTimeout", "ServerUnavailable", "ServingError", "predict"]
