"""Released weights that the package has no room for, fetched from a server on this machine."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tf_routing import zoo
from tf_routing.zoo.weights import release_files, releases
from tf_routing.zoo.weights.release_files import find_release_file

CONTENT = bytes(range(256)) * 40


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder in silence, and remembers what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class Server:
    """A folder, and the address that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, []
        handler = type("Remembering", (Handler,), {"asked": self.asked})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self._server.server_port}/weights/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "served" / "weights").mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    running = Server(tmp_path / "served")
    monkeypatch.setenv("TF_ROUTING_RELEASE_URL", running.address)
    yield running
    running.stop()


@pytest.fixture
def row(tmp_path: Path) -> dict[str, Any]:
    return {
        **{"architecture": "drn_resnet110", "tag": "cifar10", "folder": tmp_path / "package"},
        **{"file": "large_v2.keras", "url": "large_v2.keras", "bytes": len(CONTENT)},
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }


def cache(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "keras").rglob("*") if path.is_file())


def test_a_file_is_fetched_once(server: Server, row: dict[str, Any], tmp_path: Path) -> None:
    (server.folder / "weights" / row["url"]).write_bytes(CONTENT)
    for _ in range(2):
        assert find_release_file(row).read_bytes() == CONTENT
    assert server.asked == ["/weights/large_v2.keras"] and cache(tmp_path) == ["large_v2.keras"]


def test_a_damaged_file_is_refused_and_does_not_stay(server: Server, row: dict[str, Any], tmp_path: Path) -> None:
    (server.folder / "weights" / row["url"]).write_bytes(CONTENT[:-1])
    with pytest.raises(OSError, match=f"{server.address}large_v2.keras: Incomplete or corrupted.*{row['sha256']}"):
        find_release_file(row)
    assert cache(tmp_path) == []
    (server.folder / "weights" / row["url"]).write_bytes(CONTENT)
    assert find_release_file(row).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_fetched_anew(server: Server, row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "keras" / "tf_routing").mkdir(parents=True)
    (tmp_path / "keras" / "tf_routing" / "large_v2.keras").write_bytes(CONTENT[1:])
    (server.folder / "weights" / row["url"]).write_bytes(CONTENT)
    assert find_release_file(row).read_bytes() == CONTENT


def test_a_missing_file_says_what_to_do(server: Server, row: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "keras" / "tf_routing"
    with pytest.raises(OSError, match=f"404.*put large_v2.keras into {folder} by hand.*TF_ROUTING_RELEASE_URL"):
        find_release_file(row)
    assert cache(tmp_path) == []


def test_without_a_connection_the_error_says_what_to_do(
    server: Server, row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("TF_ROUTING_RELEASE_URL", closed)
    with pytest.raises(OSError, match=f"not in the package and could not be fetched from {closed}/large_v2.*by hand"):
        find_release_file(row)
    # What the advice says helps.
    (tmp_path / "keras" / "tf_routing" / "large_v2.keras").write_bytes(CONTENT)
    assert find_release_file(row).read_bytes() == CONTENT


def test_without_an_address_the_error_says_so(
    server: Server, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_ROUTING_RELEASE_URL")
    monkeypatch.setattr(release_files, "RELEASE_URL", "")
    with pytest.raises(FileNotFoundError, match="drn_resnet110', 0.0 MB, is not in the package and no address"):
        find_release_file(row)
    monkeypatch.setattr(release_files, "RELEASE_URL", server.address)
    (server.folder / "weights" / row["url"]).write_bytes(CONTENT)
    assert find_release_file(row).read_bytes() == CONTENT


def test_an_address_may_be_a_folder(server: Server, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (server.folder / row["url"]).write_bytes(CONTENT)
    monkeypatch.setenv("TF_ROUTING_RELEASE_URL", server.folder.as_uri())
    assert find_release_file(row).read_bytes() == CONTENT
    assert server.asked == []


def test_a_network_gets_its_weights_from_the_server(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listed,) = (row for row in releases.read_index(releases.RELEASED) if row["name"] == "drn_resnet32_cifar10")
    (server.folder / "weights" / "far.keras").write_bytes((releases.RELEASED / listed["file"]).read_bytes())
    far = {**listed, "tag": "far", "file": "far.keras", "url": "far.keras"}
    (tmp_path / "index.json").write_text(json.dumps([far]), "utf-8")
    monkeypatch.setenv("TF_ROUTING_SAVED_MODELS", str(tmp_path))
    fetched, inside = (zoo.get("drn_resnet32", weights=tag) for tag in ("far", "cifar10"))
    assert server.asked == ["/weights/far.keras"]
    for one, other in zip(fetched.get_weights(), inside.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
