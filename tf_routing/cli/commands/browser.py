"""`tf-routing browser`: a page that runs networks in a browser, and shows which way a picture went."""

import argparse
from pathlib import Path

from tf_routing.browser.runtime import PACKAGE, VERSION, find_runtime
from tf_routing.cli.budget_option import add_budget_option
from tf_routing.cli.quiet_start import start_quietly
from tf_routing.runs.trained_file import trained_file
from tf_routing.support.terminal import show

_OUTPUT, _PORT = "runs/browser", 8000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the networks, what else the page shows, and where it goes."""
    about = "folders of runs, .keras files or .onnx files that skip; the released networks where none is given"
    parser.add_argument("networks", metavar="NETWORK", nargs="*", help=about)
    parser.add_argument("--output", metavar="FOLDER", default=_OUTPUT, help="folder to create")
    about = "pictures, or folders of pictures, to choose from on the page"
    parser.add_argument("--pictures", metavar="PATH", nargs="+", default=[], help=about)
    add_budget_option(parser)
    about = f"{PACKAGE}, its .tgz or folder; where not given, npm fetches version {VERSION} once"
    parser.add_argument("--runtime", metavar="PATH", help=about)
    about = "serve the page here until Ctrl-C; the one that is there already, where nothing else is named"
    parser.add_argument("--serve", action="store_true", help=about)
    parser.add_argument("--port", type=int, default=_PORT, help="port to serve at; 0 takes any that is free")


def run(arguments: argparse.Namespace) -> None:
    """Writes the page, where it is not there already, and serves it, if asked to."""
    named = arguments.networks or arguments.pictures or arguments.budget is not None
    if named or not arguments.serve or not Path(arguments.output, "networks.json").is_file():
        _write(arguments)
    if arguments.serve:
        _serve(arguments.output, arguments.port)


def _write(arguments: argparse.Namespace) -> None:
    for path in arguments.networks:
        if not path.endswith(".onnx"):
            trained_file(path)
    runtime = find_runtime(arguments.runtime)
    start_quietly()
    from tf_routing.browser.page import Contents, write_page

    contents = Contents(arguments.networks, arguments.pictures, arguments.budget)
    networks = write_page(arguments.output, runtime, contents)
    size = sum(file.stat().st_size for file in Path(arguments.output).rglob("*") if file.is_file()) / 1e6
    names = ", ".join(network.title for network in networks)
    show(f"Wrote {arguments.output}, {size:.1f} MB, with {names}. Any web server can serve it; --serve does here.")


def _serve(folder: str, port: int) -> None:
    from tf_routing.browser.server import open_server

    with open_server(folder, port) as server:
        show(f"The page is at http://127.0.0.1:{server.server_port}/ until Ctrl-C.")
        server.serve_forever()
