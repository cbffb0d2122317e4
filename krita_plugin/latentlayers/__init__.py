"""Krita's entry: loads the plugin, or shows a docker that says what keeps it from loading and what to do.

Outside Krita nothing is loaded, so that programs can import single parts.
"""

import importlib.util

if importlib.util.find_spec("krita") is not None:
    try:
        from . import plugin  # noqa: F401  (importing it registers it)
    except Exception as error:
        from . import broken

        broken.show(error)
