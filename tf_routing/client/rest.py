"""Calls of TensorFlow Serving by REST, with JSON in its columnar form, and status codes as exceptions."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.client.errors import ModelNotFound, RequestRefused, ServerTimeout, ServerUnavailable, ServingError
from tf_routing.client.servable import Servable
from tf_routing.support.extras import import_extra

_ERRORS: dict[int, type[ServingError]] = {
    400: RequestRefused,
    404: ModelNotFound,
    408: ServerTimeout,
    412: RequestRefused,
    503: ServerUnavailable,
    504: ServerTimeout,
}
_SHOWN = 500
_CHUNK = 1 << 16


class RestCaller:
    """Sends batches to one signature of a model.

    Args:
        location: Beginning of the URL, before `/v1`.
        servable: The `Servable`.
        timeout: Float, seconds within which a request must be answered.
    """

    def __init__(self, location: str, servable: Servable, timeout: float) -> None:
        self._requests = import_extra("requests", "serving", "The client")
        self._session = self._requests.Session()
        version = "" if servable.version is None else f"/versions/{servable.version}"
        self._url = f"{location}/v1/models/{servable.model}{version}"
        self._servable, self._timeout = servable, timeout

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the outputs for one batch, by name."""
        columns = {name: _as_json(value) for name, value in batch.items()}
        # Not `requests.post(json=...)`, which refuses NaN: an image that holds NaN is for the network to answer.
        body = json.dumps({"signature_name": self._servable.signature, "inputs": columns})
        outputs = self._ask("POST", f"{self._url}:predict", body).get("outputs")
        if outputs is None:
            raise ServingError(f"{self._url} answered without outputs.")
        if not isinstance(outputs, dict):
            # A single output comes without its name.
            outputs = {self._find_only_output(): outputs}
        return {name: _as_array(value) for name, value in outputs.items()}

    def close(self) -> None:
        """Closes the HTTP session."""
        self._session.close()

    def _find_only_output(self) -> str:
        found = self._ask("GET", f"{self._url}/metadata")
        signatures = found["metadata"]["signature_def"]["signature_def"]
        return next(iter(signatures[self._servable.signature]["outputs"]))

    def _ask(self, method: str, url: str, body: str | None = None) -> dict[str, Any]:
        end = time.monotonic() + self._timeout
        try:
            # Streamed: the timeout of `requests` is per read, and a slow server could take forever with many reads.
            response = self._session.request(method, url, data=body, timeout=self._timeout, stream=True)
            content = self._read_within(response, end)
        except self._requests.Timeout as error:
            raise ServerTimeout(f"{url} did not answer within {self._timeout:g} s.") from error
        except self._requests.RequestException as error:
            raise ServerUnavailable(f"No connection to {url}: {error}") from error
        answer = _parse(content)
        if response.status_code != 200:
            kind = _ERRORS.get(response.status_code, ServingError)
            raise kind(f"{url} answered {response.status_code} for {self._servable}: {_find_words(answer, content)}")
        if not isinstance(answer, dict):
            raise ServingError(f"{url} is no model server; it answered: {_find_words(answer, content)}")
        return answer

    def _read_within(self, response: Any, end: float) -> bytes:
        pieces = []
        for piece in response.iter_content(_CHUNK):
            pieces.append(piece)
            if time.monotonic() > end:
                response.close()
                raise self._requests.Timeout
        return b"".join(pieces)


def _as_json(value: np.ndarray) -> list[Any]:
    if value.dtype == object:
        return [{"b64": base64.b64encode(each).decode("ascii")} for each in value]
    return value.tolist()


def _as_array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    # NumPy reads JSON numbers as float64, and the server computes in float32.
    return array.astype("float32") if array.dtype.kind == "f" else array


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _find_words(answer: Any, content: bytes) -> str:
    said = answer.get("error") if isinstance(answer, dict) else None
    return str(said or content.decode("utf-8", "replace").strip() or "nothing")[:_SHOWN]
