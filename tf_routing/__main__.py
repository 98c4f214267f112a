"""Runs the program `tf-routing` as `python -m tf_routing`."""

import sys

from tf_routing.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
