"""`python -m tf_routing` is `tf-routing`."""

import sys

from tf_routing.train.cli import main

if __name__ == "__main__":
    sys.exit(main())
