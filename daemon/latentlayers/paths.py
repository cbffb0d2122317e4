"""Where Latent Layers keeps its files, and the private folder its socket lives in.

Without `LATENTLAYERS_HOME` the places are the platform's own (XDG, Library, AppData); with it, everything is
under that one folder, which gives tests and the demo a daemon of their own.
"""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from latentlayers.errors import LatentLayersError, PreconditionFailed

HOME_VARIABLE = "LATENTLAYERS_HOME"

# sockaddr_un holds 104 bytes on macOS and 108 on Linux, the terminating zero included.
MAX_SOCKET_PATH = 100

_APP = "latentlayers"
_SOCKET = "daemon.sock"
_SPECIAL = set("%?#")


@dataclass(frozen=True)
class Paths:
    """The daemon's folders and the files other processes look for. Nothing exists before `ensure`.

    Attributes:
        data: what must not be lost: embeddings and models.
        state: what may be lost but should survive a restart: address, token, lock, logs, caches.
        runtime: the folder of the socket, private to the user and gone after logout where the system does so.
    """

    data: Path
    state: Path
    runtime: Path

    @property
    def library(self) -> Path:
        """Index and latent files."""
        return self.data / "library"

    @property
    def models(self) -> Path:
        """The user's models; watched for changes."""
        return self.data / "models"

    @property
    def features(self) -> Path:
        """Perceptual networks that serve every model."""
        return self.data / "features"

    @property
    def downloads(self) -> Path:
        """Unfinished downloads."""
        return self.state / "downloads"

    @property
    def calibrations(self) -> Path:
        """What was measured on the models, which takes seconds, and is the same every time."""
        return self.state / "calibrations"

    @property
    def socket(self) -> Path:
        """The unix socket; never longer than `MAX_SOCKET_PATH` bytes. Not used on Windows."""
        return self.runtime / _SOCKET

    @property
    def address_file(self) -> Path:
        """JSON saying where the running daemon listens."""
        return self.state / "daemon.json"

    @property
    def token_file(self) -> Path:
        """The secret that TCP callers must present."""
        return self.state / "token"

    @property
    def lock_file(self) -> Path:
        """Held by the one running daemon."""
        return self.state / "daemon.lock"

    @property
    def log_file(self) -> Path:
        return self.state / "daemon.log"

    @classmethod
    def default(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """The places of this user, or those under `LATENTLAYERS_HOME` where the environment sets it."""
        home = (os.environ if environ is None else environ).get(HOME_VARIABLE)
        if home:
            return cls.under(Path(home))
        import platformdirs

        dirs = platformdirs.PlatformDirs(_APP, appauthor=False)
        with warnings.catch_warnings():  # that there is no XDG_RUNTIME_DIR; `check_private` looks at the stand-in
            warnings.simplefilter("ignore")
            runtime = dirs.user_runtime_path
        return cls(dirs.user_data_path, dirs.user_state_path, _fit_for_socket(runtime))

    @classmethod
    def under(cls, home: Path) -> Paths:
        """Everything inside `home`, except that a socket path that cannot be used moves to /tmp."""
        home = home.expanduser().absolute()
        return cls(home / "data", home / "state", _fit_for_socket(home / "runtime"))

    def ensure(self) -> None:
        """Makes all folders, readable by this user only.

        Raises:
            PreconditionFailed: RUNTIME_UNSAFE, the runtime folder is another user's or open to others.
            LatentLayersError: LIBRARY_WRITE_FAILED, a folder cannot be made.
        """
        for folder in (self.data, self.state, self.library, self.models, self.runtime):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise LatentLayersError(
                    "LIBRARY_WRITE_FAILED",
                    f"The folder {folder} cannot be made: {error.strerror}.",
                    f"Make it writable for you, or set {HOME_VARIABLE} to a folder that is.",
                ) from error
        check_private(self.runtime)


def check_private(folder: Path) -> None:
    """Raises RUNTIME_UNSAFE unless `folder` is a folder of this user that no one else can enter or swap (POSIX)."""
    if os.name != "posix":
        return
    status, parent = folder.lstat(), folder.parent.stat()
    if not stat.S_ISDIR(status.st_mode):
        fault = "is not a folder"
    elif status.st_uid != os.geteuid():
        fault = f"belongs to user {status.st_uid}"
    elif stat.S_IMODE(status.st_mode) & 0o077:
        fault = f"is open to other users (mode {stat.S_IMODE(status.st_mode):04o})"
    elif parent.st_uid not in (0, os.geteuid()) or (parent.st_mode & 0o002 and not parent.st_mode & stat.S_ISVTX):
        fault = f"can be replaced by other users, who may write in {folder.parent}"
    else:
        return
    raise PreconditionFailed(
        "RUNTIME_UNSAFE",
        f"The runtime folder {folder} {fault}, so others could pretend to be the daemon.",
        "Remove it, or make it yours with mode 0700, and start again.",
    )


def _fit_for_socket(runtime: Path) -> Path:
    """`runtime`, or a stand-in in /tmp (the same one every time) if a socket in it would have an unusable path.

    That is one too long for the system, or with a character that means something in gRPC's `unix:` addresses: gRPC
    would cut the path off there and put the socket wherever that leads.
    """
    if os.name != "posix":
        return runtime
    if len(os.fsencode(runtime / _SOCKET)) <= MAX_SOCKET_PATH and not _SPECIAL & set(str(runtime)):
        return runtime
    digest = hashlib.sha256(os.fsencode(runtime)).hexdigest()[:12]
    # Not tempfile.gettempdir(): TMPDIR may differ between the daemon's environment and its callers'.
    return Path("/tmp") / f"{_APP}-{os.getuid()}-{digest}"
