"""`python -m latentlayers.demo --output DIR`: the main job on real photographs, through a private daemon."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from latentlayers.errors import LatentLayersError


def main() -> int:
    """Writes the demo's sheets, page and report; returns the exit code."""
    parser = argparse.ArgumentParser(prog="latentlayers.demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-out"), help="folder to write into")
    folder: Path = parser.parse_args().output.absolute()
    # A daemon and a library of its own: the demo neither disturbs yours nor profits from what it has embedded.
    with tempfile.TemporaryDirectory(prefix="ll-demo-", ignore_cleanup_errors=True) as home:
        os.environ["LATENTLAYERS_HOME"] = home
        os.environ.pop("LATENTLAYERS_ADDRESS", None)
        from latentlayers.demo.run import Demo  # after the environment says where everything is

        try:
            folder.mkdir(parents=True, exist_ok=True)
            Demo(folder, Path(home)).run()
        except LatentLayersError as error:
            print(f"\n{error.message}\n{error.remedy}", file=sys.stderr)
            return 1
        except OSError as error:
            print(f"\n{folder} cannot be written: {error.strerror}. Choose another with --output.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 5
    return 0


if __name__ == "__main__":
    sys.exit(main())
