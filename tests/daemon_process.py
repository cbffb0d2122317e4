"""A daemon with settings of the test's choice, in a process of its own: `python daemon_process.py SETTINGS`.

SETTINGS is JSON with fields of `ServiceConfig`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from latentlayers.service.config import ServiceConfig
from latentlayers.service.main import serve

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    for name in {"home", "tls_certificate", "tls_key"} & set(settings):
        settings[name] = Path(settings[name])
    if "worker_command" in settings:
        settings["worker_command"] = tuple(settings["worker_command"])
    sys.exit(serve(ServiceConfig(**settings)))
