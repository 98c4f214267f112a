"""The server gives a page's files the types that browsers ask for, to this machine alone."""

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tf_routing.browser.server import open_server
from tf_routing.cli.commands import browser
from tf_routing.cli.main import main

_TYPES = {
    "index.html": "text/html",
    "page.js": "text/javascript",
    "runtime.mjs": "text/javascript",
    "program.wasm": "application/wasm",
    "network.onnx": "application/octet-stream",
    "networks.json": "application/json",
}


def test_files_have_their_types(tmp_path: Path) -> None:
    for name in _TYPES:
        (tmp_path / name).write_text(name)
    (tmp_path.parent / "secret.txt").write_text("secret")
    with open_server(str(tmp_path)) as server:
        assert server.server_address[0] == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for name, kind in _TYPES.items():
            with urllib.request.urlopen(f"{address}/{name}") as answer:
                assert (answer.headers["Content-Type"], answer.read().decode()) == (kind, name)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/../secret.txt")
        server.shutdown()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with open_server(str(tmp_path)) as server, pytest.raises(OSError, match=f"{server.server_port}.*--port"):
        open_server(str(tmp_path), server.server_port)
    with pytest.raises(OSError, match="99999.*--port"):
        open_server(str(tmp_path), 99999)


def test_a_page_that_is_there_is_served_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "networks.json").write_text("{}")
    served, written = [], []
    monkeypatch.setattr(browser, "_write", lambda arguments: written.append(arguments.output))
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", lambda self: served.append(self.server_port))
    words = ["browser", "--output", str(tmp_path), "--port", "0"]
    assert main([*words, "--serve"]) == 0
    assert written == [] and f"http://127.0.0.1:{served[0]}/" in capsys.readouterr().out
    for others in ([], ["--serve", "--pictures", "some"]):
        assert main([*words, *others]) == 0
    assert len(written) == 2 and len(served) == 2
