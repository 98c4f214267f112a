"""Serves the folder of a page to browsers of this machine."""

import os
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Given, since Python takes them from the system's tables, and a browser refuses modules and programs of other types.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".onnx": "application/octet-stream",
    ".wasm": "application/wasm",
}


class PageHandler(SimpleHTTPRequestHandler):
    """Answers with files of a folder, of the types that browsers ask for, and prints nothing."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Returns the type of a file."""
        return _TYPES.get(Path(path).suffix.lower()) or super().guess_type(path)

    def end_headers(self) -> None:
        """Asks browsers to look for changed files each time: another page may be served at the same address later."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Prints nothing."""


def open_server(folder: str, port: int = 0) -> ThreadingHTTPServer:
    """Returns a server of a folder, for this machine alone; `serve_forever` starts it.

    Args:
        folder: The folder of a page.
        port: Integer; 0 takes any that is free. `server_port` tells which.

    Raises:
        OSError: If the port is taken.

    Example:

    >>> with open_server(".") as server:
    ...     server.server_port > 0
    True
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(PageHandler, directory=folder))
    except (OSError, OverflowError) as error:
        raise OSError(f"Nothing can be served at port {port} ({error}): give --port another number.") from error
