"""What can go wrong between a client and a model server."""


class ServingError(RuntimeError):
    """The server did not answer as asked; the kinds below tell why, where that is known.

    Example:

    >>> issubclass(ModelNotFound, ServingError)
    True
    """


class ServerUnavailable(ServingError):
    """Nobody listens at the address, or the server has no room now. Asking again may help.

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
    """The server did not answer in time. It may still be computing, so asking again can make things worse.

    Example:

    >>> issubclass(ServerTimeout, ServerUnavailable)
    False
    """


class ModelNotFound(ServingError):
    """The server is there, and has no such model or version, or has not finished loading it.

    Example:

    >>> issubclass(ModelNotFound, RequestRefused)
    False
    """


class RequestRefused(ServingError):
    """The server understood the request and says that it is wrong: a shape, a type, a name.

    Example:

    >>> issubclass(RequestRefused, ServingError)
    True
    """
