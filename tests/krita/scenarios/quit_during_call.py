"""Krita quits while a call streams."""

from krita import Krita
from latentlayers.wire import Daemon
from latentlayers.wire import messages as pb


def run(rig):
    daemon = Daemon(Krita.instance())
    notifier = Krita.instance().notifier()
    notifier.applicationClosing.connect(daemon.close)
    events = []
    request = pb.RenderRequest(source=pb.Source(embedding_id=rig.arguments["words"]))
    call = daemon.call("EditingService", "Render", request)
    call.event.connect(events.append)
    yield lambda: len(events) > 3
