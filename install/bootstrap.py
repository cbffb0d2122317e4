"""Latent Layers from a bare machine, in one command; needs nothing but Python's standard library.

    python3 install/bootstrap.py demo      install, then embed, morph, cross and smile two portraits into ./demo-out
    python3 install/bootstrap.py test      install with the test tools, then run the test suite
    python3 install/bootstrap.py install   install only
    python3 install/bootstrap.py krita     install, then put the plugin into Krita (--uninstall: take it out again)
    python3 install/bootstrap.py lint      install with the developers' tools, then check style and types
    python3 install/bootstrap.py clean     remove what the others made

Everything but the plugin goes into the folder .venv beside this checkout. docs/install.md has the options and the
troubleshooting.

This file stays readable to Python 3.6, so that an old Python gets a sentence instead of a syntax error; the rest
is in _bootstrap/.
"""

import shutil
import subprocess
import sys

OLDEST = (3, 10)


def newer_python() -> "str | None":
    """The newest Python on the search path that is new enough and starts, or None."""
    for minor in range(19, OLDEST[1] - 1, -1):
        name = f"python3.{minor}"
        if shutil.which(name) and subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return name
    return None


def refuse_old_python() -> int:
    found, version = newer_python(), ".".join(str(number) for number in sys.version_info[:2])
    print(f"Stopped: this is Python {version}, and Latent Layers needs 3.10 or newer. [PYTHON_TOO_OLD]")
    if found:
        print(f"What to do: {found} is on this machine; run: {found} {' '.join(sys.argv)}")
    else:
        print("What to do: install a newer Python (python.org, or your system's packages), then run this with it.")
    return 2


if __name__ == "__main__":
    if sys.version_info[:2] < OLDEST:
        sys.exit(refuse_old_python())
    from _bootstrap.cli import main

    sys.exit(main(sys.argv[1:]))
