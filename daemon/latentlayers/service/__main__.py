"""`python -m latentlayers.service`: the daemon in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from latentlayers.errors import LatentLayersError
from latentlayers.service.config import ServiceConfig
from latentlayers.service.main import serve

REFUSED = 3


def main() -> int:
    """Reads the command line, serves, and turns a refusal into two lines and status 3."""
    defaults = ServiceConfig()
    parser = argparse.ArgumentParser(prog="latentlayers.service", description="Latent Layers: the daemon.")
    parser.add_argument("--home", type=Path, default=defaults.home, help="folder for all of the daemon's files")
    parser.add_argument("--listen", default=defaults.listen, metavar="HOST:PORT", help="TCP instead of the default")
    parser.add_argument("--tls-certificate", type=Path, metavar="PEM")
    parser.add_argument("--tls-key", type=Path, metavar="PEM")
    parser.add_argument(
        "--idle-unload",
        type=float,
        default=defaults.idle_unload_s,
        metavar="SECONDS",
        dest="idle_unload_s",
        help="end the idle worker after so long; negative: never",
    )
    try:
        return serve(ServiceConfig(**vars(parser.parse_args())))
    except LatentLayersError as error:
        print(error.message, error.remedy, sep="\n", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
