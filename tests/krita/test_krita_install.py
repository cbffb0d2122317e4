"""`bootstrap.py krita`: into the folders of a user's Kritas, and out again, disturbing nothing else there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugin_process import ROOT
from running_daemon import is_running

sys.path.insert(0, str(ROOT / "install"))
from _bootstrap.krita import INSTALLATION, Krita, kritas, put, remove, with_setting, without_setting

SWITCH = ("python", "enable_latentlayers", "true")
OTHERS = {"command": ["/somewhere/python", "-m", "latentlayers.service"], "state": "/somewhere/state"}


@pytest.fixture
def krita(tmp_path: Path) -> Krita:
    return Krita("Krita", tmp_path / "data" / "krita", tmp_path / "config" / "kritarc")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_is_put_where_krita_looks_and_switched_on(plugin_zip: Path, krita: Krita) -> None:
    put(krita, plugin_zip, OTHERS)
    assert (krita.plugins / "latentlayers.desktop").is_file()
    assert (krita.plugins / "latentlayers" / "__init__.py").is_file()
    assert json.loads((krita.plugins / INSTALLATION).read_text()) == OTHERS
    assert krita.config.read_text() == "[python]\nenable_latentlayers=true\n"


def test_another_version_is_replaced_whole(plugin_zip: Path, krita: Krita) -> None:
    (krita.plugins / "latentlayers").mkdir(parents=True)
    (krita.plugins / "latentlayers" / "old.py").touch()
    put(krita, plugin_zip, OTHERS)
    once = files(krita.data)
    assert not any("old.py" in name for name in once)
    put(krita, plugin_zip, OTHERS)
    assert files(krita.data) == once


def test_removing_leaves_everything_else_as_it_was(plugin_zip: Path, krita: Krita) -> None:
    config = b"[theme]\r\nTheme=Krita dark\r\n\r\n[python]\r\nenable_other=true\r\n\r\n[x]\r\nname=\xe9\r\n"
    krita.config.parent.mkdir()
    krita.config.write_bytes(config)
    (krita.plugins / "other").mkdir(parents=True)
    (krita.plugins / "other" / "__init__.py").touch()
    before = files(krita.data)
    put(krita, plugin_zip, OTHERS)
    assert krita.config.read_bytes() == config.replace(
        b"enable_other=true\r\n", b"enable_other=true\r\nenable_latentlayers=true\r\n"
    )
    assert remove(krita)
    assert krita.config.read_bytes() == config
    assert files(krita.data) == before
    assert not remove(krita)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[python]\nenable_latentlayers=true\n"),
        ("a=1", "a=1\n\n[python]\nenable_latentlayers=true\n"),
        ("[python]", "[python]\nenable_latentlayers=true\n"),
        ("[python]\nenable_latentlayers=false\nb=2\n", "[python]\nb=2\nenable_latentlayers=true\n"),
        ("[python]\nb=2", "[python]\nb=2\nenable_latentlayers=true\n"),
        ("[python]\nb=2\n\n[c]\nd=3\n", "[python]\nb=2\nenable_latentlayers=true\n\n[c]\nd=3\n"),
        ("[c]\nenable_latentlayers=no\n", "[c]\nenable_latentlayers=no\n\n[python]\nenable_latentlayers=true\n"),
    ],
)
def test_only_the_one_setting_changes(before: str, after: str) -> None:
    assert with_setting(before, *SWITCH) == after


lines = st.sampled_from(["", "[python]", "[theme]", "[python][x]", "a=1", "enable_other=true", " # note"])


@given(st.lists(lines, max_size=8).map("\n".join), st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None, max_examples=200)
def test_setting_and_removing_it_again_keeps_every_other_line(text: str, newline: str) -> None:
    text = text.replace("\n", newline)
    changed = with_setting(text, *SWITCH)
    assert with_setting(changed, *SWITCH) == changed
    kept = [line for line in without_setting(changed, *SWITCH[:2]).splitlines() if line not in ("", "[python]")]
    assert kept == [line for line in text.splitlines() if line not in ("", "[python]")]


def test_each_platforms_folders_are_kritas(tmp_path: Path) -> None:
    (linux,) = kritas(tmp_path, {}, "linux")
    assert linux.plugins == tmp_path / ".local" / "share" / "krita" / "pykrita"
    assert linux.config == tmp_path / ".config" / "kritarc"
    (moved,) = kritas(tmp_path, {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"}, "linux")
    assert (moved.plugins, moved.config) == (Path("/d/krita/pykrita"), Path("/c/kritarc"))
    (mac,) = kritas(tmp_path, {}, "darwin")
    assert mac.plugins == tmp_path / "Library" / "Application Support" / "krita" / "pykrita"
    assert mac.config == tmp_path / "Library" / "Preferences" / "kritarc"
    (windows,) = kritas(tmp_path, {"APPDATA": "/roaming", "LOCALAPPDATA": "/local"}, "win32")
    assert (windows.plugins, windows.config) == (Path("/roaming/krita/pykrita"), Path("/local/kritarc"))


def test_a_flatpak_has_folders_of_its_own_and_a_word_about_its_sandbox(tmp_path: Path) -> None:
    sandbox = tmp_path / ".var" / "app" / "org.kde.krita"
    sandbox.mkdir(parents=True)
    usual, flatpak = kritas(tmp_path, {}, "linux")
    assert usual.note == ""
    assert flatpak.plugins == sandbox / "data" / "krita" / "pykrita"
    assert flatpak.config == sandbox / "config" / "kritarc"
    assert "flatpak override" in flatpak.note


@pytest.fixture
def user(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with an empty home; the daemon that is started there is ended."""
    home = tmp_path / "home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LATENTLAYERS_"))}
    yield {**inherited, "HOME": str(home), "LATENTLAYERS_HOME": str(home / "layers")}
    announcement = home / "layers" / "state" / "daemon.json"
    if announcement.exists():
        pid = json.loads(announcement.read_text())["pid"]
        if is_running(pid):
            psutil.Process(pid).terminate()


def krita_command(user: dict[str, str], *arguments: str) -> str:
    """What `krita` prints, run for a user, with this environment instead of one that has to be made."""
    program = (
        "import sys; from pathlib import Path; from _bootstrap import krita; from _bootstrap.console import Console; "
        "from _bootstrap.environment import Environment; console = Console(sys.stdout, verbose=False); "
        "environment = Environment(Path(sys.argv[1]), console); environment.log = Path(sys.argv[2]) / 'log'; "
        + ("krita.uninstall(console)" if "--uninstall" in arguments else "krita.install(environment, console)")
    )
    command = [sys.executable, "-c", program, sys.prefix, user["HOME"]]
    done = subprocess.run(command, capture_output=True, text=True, env=user, cwd=ROOT / "install", timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="HOME decides only on Linux")
def test_one_command_installs_it_and_starts_the_daemon_another_takes_it_out(user: dict[str, str]) -> None:
    home = Path(user["HOME"])
    said = krita_command(user)
    assert "The daemon runs: unix:" in said
    plugins = home / ".local" / "share" / "krita" / "pykrita"
    installation = json.loads((plugins / INSTALLATION).read_text())
    assert installation["state"] == str(home / "layers" / "state")
    assert (home / "layers" / "state" / "daemon.json").exists()
    assert Path(installation["command"][0]).is_file()
    assert installation["command"][1:] == ["-m", "latentlayers.service", "--home", str(home / "layers")]
    assert "removed the plugin" in krita_command(user, "--uninstall")
    assert files(plugins) == set()
    assert "was not there" in krita_command(user, "--uninstall")
