"""Imports the plugin's parts that need no Krita, with a stand-in for Qt, and uses a message: `import_plugin.py FOLDER`.

For Pythons that have no Qt binding. Prints, as JSON, what was imported; all the plugin's other files are compiled.
"""

import json
import sys
import types
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))


class AnyQt(types.ModuleType):
    """Every name in it is a class that takes whatever it is given."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None, "__getattr__": lambda self, name: None})


sys.modules["PyQt5"] = AnyQt("PyQt5")
for name in ("QtCore", "QtGui", "QtWidgets"):
    module = sys.modules[f"PyQt5.{name}"] = AnyQt(name)
    setattr(sys.modules["PyQt5"], name, module)

from latentlayers.wire import messages as pb  # noqa: E402

for path in sorted((folder / "latentlayers").rglob("*.py")):
    compile(path.read_text("utf-8"), str(path), "exec")

request = pb.MorphRequest(a=pb.Source(embedding_id="a"), frames=7, latest_wins_key="slider")
again = pb.MorphRequest.FromString(request.SerializeToString())
error = pb.message("google.rpc.Status")()
error.details.add().Pack(pb.message("google.rpc.ErrorInfo")(reason="QUEUE_FULL", metadata={"remedy": "Wait."}))
info = pb.message("google.rpc.ErrorInfo")()
assert error.details[0].Unpack(info)

tops = {name.partition(".")[0] for name in sys.modules}
print(
    json.dumps(
        {
            "python": sys.version_info[:2],
            "same": again == request,
            "frames": again.frames,
            "reason": info.reason,
            "streaming": pb.method("EditingService", "Morph").streaming,
            "vendored": sorted(
                {name.split(".")[2] for name in sys.modules if name.startswith("latentlayers._vendor.")}
            ),
            "others": sorted(tops & {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict"}),
        }
    )
)
