"""The plugin inside Krita asks the daemon for its status."""

import sys

from krita import Krita
from latentlayers.wire import Daemon
from latentlayers.wire import messages as pb


def run(rig):
    rig.screenshot("window")
    daemon = Daemon(Krita.instance())
    ends, versions = [], []
    call = daemon.call("DaemonService", "GetStatus", pb.GetStatusRequest())
    call.event.connect(lambda status: versions.append(status.version))
    call.done.connect(lambda: ends.append("done"))
    call.failed.connect(lambda error: ends.append(str(error)))
    yield lambda: ends
    return {
        "ends": ends,
        "versions": versions,
        "state": daemon.state.kind,
        "python": sys.version_info[:2],
        "broken": "latentlayers.broken" in sys.modules,
        "foreign": sorted(name for name in sys.modules if name.partition(".")[0] in ("google", "grpclib", "h2")),
    }
