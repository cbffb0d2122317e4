"""The Krita plugin for the current user: into Krita's folders, switched on, told where the daemon is; and out again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .console import Console
from .environment import ROOT, Environment
from .failures import BootstrapError

MODULE = "latentlayers"
INSTALLATION = "latentlayers-daemon.json"  # read by the plugin's wire/address.py
SWITCH = ("python", f"enable_{MODULE}", "true")
FLATPAK = "org.kde.krita"

START = """
import json
from latentlayers.client import Client
from latentlayers.paths import Paths
print(json.dumps({"address": Client().address, "state": str(Paths.default().state)}))
"""


@dataclass(frozen=True)
class Krita:
    """One of the ways in which Krita may be installed, each with folders of its own.

    Attributes:
        name: for people.
        data: where its resources lie, the folder pykrita among them.
        config: its kritarc.
        note: what the user has to know or do, or "".
    """

    name: str
    data: Path
    config: Path
    note: str = ""

    @property
    def plugins(self) -> Path:
        return self.data / "pykrita"


def kritas(home: Path, environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> tuple[Krita, ...]:
    """The Kritas to install for: the usual one, whether it is there yet or not, and a Flatpak that has been used."""
    if platform == "win32":
        roaming = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
        local = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return (Krita("Krita", roaming / "krita", local / "kritarc"),)
    if platform == "darwin":
        library = home / "Library"
        return (Krita("Krita", library / "Application Support" / "krita", library / "Preferences" / "kritarc"),)
    usual = Krita(
        "Krita (a package of the system, or an AppImage)",
        Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "krita",
        Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "kritarc",
    )
    sandbox = home / ".var" / "app" / FLATPAK
    if not sandbox.is_dir():
        return (usual,)
    note = (
        "From its sandbox the plugin can neither see the daemon's socket nor start the daemon. To let it see the "
        f"socket, run once: flatpak override --user --filesystem=xdg-run/latentlayers {FLATPAK} . And have the daemon "
        "running before you use the plugin: latentlayers serve"
    )
    flatpak = Krita("Krita (Flatpak)", sandbox / "data" / "krita", sandbox / "config" / "kritarc", note)
    return usual, flatpak


def install(environment: Environment, console: Console) -> None:
    """Builds the zip, puts it into every Krita's folders, starts the daemon.

    Raises:
        BootstrapError: PLUGIN_NOT_BUILT, INSTALL_FAILED, PERMISSION_DENIED.
    """
    with tempfile.TemporaryDirectory() as folder:
        built = build(environment, Path(folder))
        said = json.loads(environment.ask(START))
        installation = {"command": daemon_command(environment, os.environ), "state": said["state"]}
        for krita in kritas(Path.home()):
            with permission(krita):
                put(krita, built, installation)
            console.say(f"{krita.name}: the plugin is in {krita.plugins / MODULE}")
            if krita.note:
                console.note(krita.note)
    if (Path.home() / "snap" / "krita").is_dir():
        console.say("Krita (snap): not installed for; a snap cannot reach the daemon. The AppImage and Flatpak can.")
    console.say(f"The daemon runs: {said['address']}")
    console.say("Start Krita again; Latent Layers is in its Tools menu and among its dockers (Settings).")


def uninstall(console: Console) -> None:
    """Takes the plugin out of every Krita's folders again; the daemon and everything it keeps stays.

    Raises:
        BootstrapError: PERMISSION_DENIED.
    """
    for krita in kritas(Path.home()):
        with permission(krita):
            found = remove(krita)
        console.say(f"{krita.name}: {'removed the plugin' if found else 'the plugin was not there'}")


def build(environment: Environment, folder: Path) -> Path:
    """The zip, made in `folder`.

    Raises:
        BootstrapError: PLUGIN_NOT_BUILT.
    """
    python, script = str(environment.program("python")), str(ROOT / "install" / "build_plugin.py")
    done = subprocess.run([python, "-I", script, "--output", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it did not say why"])[-1]
        raise BootstrapError(
            "PLUGIN_NOT_BUILT",
            f"The plugin's zip could not be made: {said.partition('Stopped: ')[2] or said}",
            "Check the network, then run the same command again: what is downloaded already is kept.",
        )
    return next(folder.glob("*.zip"))


def daemon_command(environment: Environment, environ: Mapping[str, str]) -> list[str]:
    """The argument vector that runs the daemon, with the folder for its files if that is not the usual one."""
    home = environ.get("LATENTLAYERS_HOME")
    where = ["--home", str(Path(home).expanduser().absolute())] if home else []
    return [str(environment.program("python")), "-m", "latentlayers.service", *where]


def put(krita: Krita, plugin_zip: Path, installation: Mapping[str, object]) -> None:
    """Unpacks the zip as Krita's own importer would, replacing another version, and switches the plugin on."""
    krita.plugins.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=krita.plugins, prefix=f".{MODULE}-") as folder:
        fresh = Path(folder)
        with zipfile.ZipFile(plugin_zip) as archive:
            archive.extractall(fresh)
        if (krita.plugins / MODULE).exists():
            (krita.plugins / MODULE).rename(fresh / "replaced")
        (fresh / MODULE).rename(krita.plugins / MODULE)
        (fresh / f"{MODULE}.desktop").replace(krita.plugins / f"{MODULE}.desktop")
        for actions in fresh.glob("*.action"):
            (krita.data / "actions").mkdir(exist_ok=True)
            actions.replace(krita.data / "actions" / actions.name)
    write(krita.plugins / INSTALLATION, json.dumps(installation, indent=2) + "\n")
    write(krita.config, with_setting(read(krita.config), *SWITCH))


def remove(krita: Krita) -> bool:
    """Undoes `put`; False if there was nothing to undo."""
    left = [krita.plugins / MODULE, krita.plugins / f"{MODULE}.desktop", krita.plugins / INSTALLATION]
    left = [path for path in (*left, krita.data / "actions" / f"{MODULE}.action") if path.exists()]
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = read(krita.config)
    after = without_setting(before, *SWITCH[:2])
    if after != before:
        write(krita.config, after)
    return bool(left) or after != before


# Krita's settings: KDE's INI files, of which only the one line is ours. Everything else stays as it is, byte for byte.


def with_setting(text: str, section: str, key: str, value: str) -> str:
    """`text` with `key` set in `section`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    setting = f"{key}={value}{newline}"
    lines, content = _section(without_setting(text, section, key), section)
    if content is None:
        return "".join([*lines, *([newline] if lines else []), f"[{section}]{newline}", setting])
    # Before the blank lines that set the section off from the next one.
    last = max((index for index in content if lines[index].strip()), default=content.start - 1)
    return "".join([*lines[: last + 1], setting, *lines[last + 1 :]])


def without_setting(text: str, section: str, key: str) -> str:
    """`text` without `key` in `section`."""
    lines, content = _section(text, section)
    return "".join(line for index, line in enumerate(lines) if not (index in (content or ()) and _sets(line, key)))


def _section(text: str, section: str) -> tuple[list[str], range | None]:
    """The lines of `text`, and which of them are the content of `section`; None if it has no such section."""
    lines = text.splitlines(keepends=True)
    headers = [index for index, line in enumerate(lines) if line.lstrip().startswith("[")]
    for index in headers:
        if lines[index].strip() == f"[{section}]":
            return lines, range(index + 1, next((other for other in headers if other > index), len(lines)))
    return lines, None


def _sets(line: str, key: str) -> bool:
    return re.match(rf"\s*{re.escape(key)}\s*=", line) is not None


def read(file: Path) -> str:
    """The file's text, with its line ends; "" if there is no such file."""
    try:
        return file.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def write(file: Path, text: str) -> None:
    """Replaces the file in one go; a link stays a link."""
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".latentlayers")
    temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
    if file.exists():
        shutil.copymode(file, temporary)
    temporary.replace(file)


@contextmanager
def permission(krita: Krita) -> Iterator[None]:
    """Turns what the system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        raise BootstrapError(
            "PERMISSION_DENIED",
            f"{krita.name}'s folders cannot be written: {error.filename or krita.data}: {error.strerror}.",
            "Close Krita, make sure that the folder is yours, and run this again.",
        ) from error
