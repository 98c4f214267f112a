"""Exceptions of the client: the server is unavailable, late, lacks the model, or refuses the request."""


class ServingError(RuntimeError):
    """The server did not answer as asked; subclasses say why, where that is known.

    Example:

    >>> issubclass(ModelNotFound, ServingError)
    True
    """


class ServerUnavailable(ServingError):
    """No server listens at the address, or it is overloaded. A retry may help.

    Example:

    >>> from tf_routing import client
    >>> import numpy as np
    >>> try:
    ...     client.predict(np.zeros((1, 8, 8, 3)), address="http://127.0.0.1:9", model="digits", retries=0)
    ... except client.ServerUnavailable:
    ...     print("nobody there")
    nobody there
    """


class ServerTimeout(ServingError):
    """The server did not answer in time. It may still be computing, so a retry can add to its load.

    Example:

    >>> issubclass(ServerTimeout, ServerUnavailable)
    False
    """


class ModelNotFound(ServingError):
    """The server has no such model or version, or has not finished loading it.

    Example:

    >>> issubclass(ModelNotFound, RequestRefused)
    False
    """


class RequestRefused(ServingError):
    """The server rejected the request as invalid: a wrong shape, type or name.

    Example:

    >>> issubclass(RequestRefused, ServingError)
    True
    """
