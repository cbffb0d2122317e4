"""Real Krita on a screen of its own, in a profile of its own, running one scenario.

    outcome = Rig(plugin_folder, work_folder).run("scenarios/call.py", environ={...}, pictures=["a.png"])
    assert outcome.ok, outcome.report()

What a scenario is, rig_plugin/latentlayers_rig says. Krita's first start scans its resources, which takes 20 seconds;
what it finds is kept in the system's temporary folder and copied into every profile.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ImageGrab

HERE = Path(__file__).resolve().parent
SCREEN = "1600x1000x24"
TIMEOUT_S = 600.0
KRITARC = "[python]\nenable_latentlayers=true\nenable_latentlayers_rig=true\n[theme]\nTheme={theme}\n"
# Neither a graphics card nor the software that stands in for one.
KRITADISPLAYRC = "[General]\nOpenGLRenderer=none\n"


def missing() -> list[str]:
    """The programs that the rig needs and this machine does not have."""
    return [program for program in ("krita", "Xvfb", "xdotool") if shutil.which(program) is None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        exit: Krita's exit status; None if it had to be killed.
        errors: tracebacks of the scenario and of anything else in Krita's Python.
        result: what the scenario returned.
        finished: the scenario came to its end.
        output: the folder with log, screenshots and what Krita printed.
    """

    exit: int | None
    errors: list[str]
    result: Any
    finished: bool
    output: Path

    @property
    def ok(self) -> bool:
        """Both must hold: Krita exits with 0 even where it did nothing, and may crash after the scenario's end."""
        return self.exit == 0 and self.finished and not self.errors

    @property
    def log(self) -> list[dict[str, Any]]:
        """What the scenario logged."""
        file = self.output / "log.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def printed(self) -> str:
        """What Krita wrote to its terminal."""
        return (self.output / "krita.txt").read_text(errors="replace")

    def report(self) -> str:
        """All of it, for a failed assertion."""
        state = "finished" if self.finished else "never finished"
        parts = [f"Krita's exit status: {self.exit}; the scenario {state}; see {self.output}", *self.errors]
        return "\n".join([*parts, self.printed[-3000:]])


class Rig:
    """Runs scenarios with the plugin from `plugin_folder`; what they leave goes to folders in `work`."""

    def __init__(self, plugin_folder: Path, work: Path) -> None:
        self._plugin_folder, self._work = plugin_folder, work

    def run(
        self,
        scenario: Path | str,
        *,
        environ: Mapping[str, str] | None = None,
        theme: str = "Krita dark",
        timeout: float = TIMEOUT_S,
        **arguments: Any,
    ) -> Outcome:
        """Runs a scenario (a path, or one relative to this folder); `arguments` are JSON-ready, for the scenario."""
        with _profile() as profile:
            shutil.copytree(_seed(), profile / "data" / "krita", dirs_exist_ok=True)
            pykrita = profile / "data" / "krita" / "pykrita"
            shutil.copytree(self._plugin_folder, pykrita, dirs_exist_ok=True)
            shutil.copytree(HERE / "rig_plugin", pykrita, dirs_exist_ok=True)
            (profile / "config" / "kritarc").write_text(KRITARC.format(theme=theme))
            (profile / "config" / "kritadisplayrc").write_text(KRITADISPLAYRC)
            output = Path(tempfile.mkdtemp(prefix=f"{Path(scenario).stem}-", dir=self._work))
            variables = {
                **_environment(profile),
                "LATENTLAYERS_RIG_OUTPUT": str(output),
                "LATENTLAYERS_RIG_SCENARIO": str(HERE / scenario),
                "LATENTLAYERS_RIG_ARGUMENTS": json.dumps(arguments, default=str),
                **(environ or {}),
            }
            return _outcome(_run_krita(variables, output, timeout), output)


def _outcome(exit_status: int | None, output: Path) -> Outcome:
    try:
        said = json.loads((output / "outcome.json").read_text("utf-8"))
    except OSError:
        return Outcome(exit_status, [], None, False, output)
    return Outcome(exit_status, said["errors"], said["result"], True, output)


def _run_krita(environ: Mapping[str, str], output: Path, timeout: float) -> int | None:
    """Krita's exit status, or None if it had to be killed; then the screen is in timeout.png."""
    with _screen() as display, (output / "krita.txt").open("wb") as printed:
        krita = subprocess.Popen(
            ["krita", "--nosplash"],
            env={**environ, "DISPLAY": display},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            return krita.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                ImageGrab.grab(xdisplay=display).save(output / "timeout.png")
            return None
        finally:
            if krita.poll() is None:
                krita.kill()
                krita.wait()


@contextlib.contextmanager
def _screen() -> Iterator[str]:
    """An X server without a screen; gives its DISPLAY."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as number:
            yield f":{number.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def _profile() -> Iterator[Path]:
    """A user's folders, thrown away afterwards. Two Kritas with one HOME would hand their work to each other."""
    with tempfile.TemporaryDirectory(prefix="krita-", ignore_cleanup_errors=True) as name:
        profile = Path(name)
        for folder in ("home", "config", "data/krita/pykrita", "cache", "state", "run", "tmp"):
            (profile / folder).mkdir(parents=True)
        (profile / "run").chmod(0o700)
        yield profile


def _environment(profile: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LATENTLAYERS_"))}
    # The Python inside Krita takes its libraries from beside the first python3 on the path, which must be Krita's own.
    inherited["PATH"] = os.pathsep.join([str(Path(shutil.which("krita") or "").parent), inherited.get("PATH", "")])
    return {
        **inherited,
        "HOME": str(profile / "home"),
        "XDG_CONFIG_HOME": str(profile / "config"),
        "XDG_DATA_HOME": str(profile / "data"),
        "XDG_CACHE_HOME": str(profile / "cache"),
        "XDG_STATE_HOME": str(profile / "state"),
        "XDG_RUNTIME_DIR": str(profile / "run"),
        "TMPDIR": str(profile / "tmp"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NO_AT_BRIDGE": "1",
    }


def _seed() -> Path:
    """Krita's data folder after a first start, made once for each Krita that this machine gets."""
    program = Path(str(shutil.which("krita"))).stat()
    name = f"latentlayers-krita-seed-{os.getuid()}-{program.st_size}-{program.st_mtime:.0f}"
    folder = Path(tempfile.gettempdir()) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make_seed(folder)
    return folder


def _make_seed(folder: Path) -> None:
    with _profile() as profile:
        data = profile / "data" / "krita"
        shutil.copytree(HERE / "rig_plugin", data / "pykrita", dirs_exist_ok=True)
        (profile / "config" / "kritarc").write_text("[python]\nenable_latentlayers_rig=true\n")
        (profile / "config" / "kritadisplayrc").write_text(KRITADISPLAYRC)
        environ = {
            **_environment(profile),
            "LATENTLAYERS_RIG_OUTPUT": str(profile),
            "LATENTLAYERS_RIG_SCENARIO": str(HERE / "scenarios" / "nothing.py"),
            "LATENTLAYERS_RIG_ARGUMENTS": "{}",
        }
        outcome = _outcome(_run_krita(environ, profile, TIMEOUT_S), profile)
        assert outcome.ok, outcome.report()
        shutil.rmtree(data / "pykrita")
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(data, partial)
        partial.replace(folder)
