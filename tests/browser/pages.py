"""Pages of networks so small that nothing takes long, with a runtime that runs nothing."""

import json
from pathlib import Path

from tests.report.runs import write_run
from tf_routing.browser.page import Contents, write_page
from tf_routing.browser.runtime import MODULE, PROGRAM, Runtime, find_runtime

CONTENT = {MODULE: b"export const env = {};\n", PROGRAM: b"\0asm"}


def write_package(folder: Path, version: str = "9.8.7") -> Path:
    """Writes a package with the runtime's files, as npm installs it, and returns its folder."""
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": version}), "utf-8")
    for name, content in CONTENT.items():
        (folder / "dist" / name).write_bytes(content)
    return folder


def fake_runtime(folder: Path) -> Runtime:
    """Returns a runtime that runs nothing."""
    return find_runtime(str(write_package(folder)))


def write_small_page(folder: Path) -> Path:
    """Writes a page of two runs, of blocks that are skipped and of exits, and of an ONNX file; returns its folder."""
    runs = [write_run(folder / kind, kind) for kind in ("skip", "tree")]
    runtime = fake_runtime(folder / "package")
    write_page(str(folder / "first"), runtime, Contents([str(runs[0])]))
    (folder / "first" / "network_1.onnx").rename(folder / "<b>.onnx")
    write_page(str(folder / "page"), runtime, Contents([*map(str, runs), str(folder / "<b>.onnx")]))
    return folder / "page"
