"""`python -m latentlayers`: the same as the `latentlayers` command."""

import sys

from latentlayers.cli import main

if __name__ == "__main__":
    sys.exit(main())
