"""AddModel and ListCatalogue over the wire, against a web server on this machine; nothing leaves it."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
import torch
from checkpoint_files import reference_file, rosinality_state, small_generator
from file_server import FileServer, Served, file_server
from latentlayers.checkpoints.header import read_header
from latentlayers.checkpoints.vgg16 import WIDTHS
from latentlayers.v1 import model_service_pb2 as pb
from running_daemon import PATIENCE_S, RunningDaemon, StartDaemon, eventually, reason
from shipped import MODEL

FILE = reference_file("sg2ada_16_clamp").read_bytes()
OTHER = reference_file("sg2ada_16_resnet").read_bytes()
SHA256 = hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _tidy(daemon: RunningDaemon) -> Iterator[None]:
    """The shared daemon has only its shipped models afterwards, and no downloads."""
    yield
    for file in downloads(daemon):
        file.unlink()
    for model in daemon.models.ListModels(pb.ListModelsRequest(), timeout=PATIENCE_S).models:
        if not model.shipped:
            daemon.models.RemoveModel(pb.RemoveModelRequest(name=model.name), timeout=PATIENCE_S)


def add(daemon: RunningDaemon, source: str, **fields: object) -> list[pb.AddModelResponse]:
    return list(daemon.models.AddModel(pb.AddModelRequest(source=source, **fields), timeout=PATIENCE_S))


def add_official(daemon: RunningDaemon, server: FileServer, source: str, **fields: object) -> list[pb.AddModelResponse]:
    """Adds from the catalogue, by way of the test's server."""
    return add(daemon, source, licence_accepted=True, mirror=f"{server.root}/mirror/", **fields)


def refusal(daemon: RunningDaemon, source: str, **fields: object) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        add(daemon, source, **fields)
    return reason(caught.value)


def entry(daemon: RunningDaemon, name: str) -> pb.CatalogueEntry:
    listed = daemon.models.ListCatalogue(pb.ListCatalogueRequest(), timeout=PATIENCE_S).entries
    return next(entry for entry in listed if entry.name == name)


def phases(events: list[pb.AddModelResponse]) -> list[int]:
    """In order, without repetitions."""
    found = [event.progress.phase for event in events if event.HasField("progress")]
    return [phase for i, phase in enumerate(found) if found[:i][-1:] != [phase]]


def downloads(daemon: RunningDaemon) -> list[Path]:
    return sorted(daemon.paths.downloads.glob("*"))


def test_an_official_file_is_downloaded_converted_and_keeps_its_licence(
    daemon: RunningDaemon, server: FileServer
) -> None:
    server.serve("/mirror/metfaces.pkl", FILE)
    official = entry(daemon, "metfaces-1024")
    assert (official.file, official.installed) == ("metfaces.pkl", False)
    events = add_official(daemon, server, "metfaces-1024")
    assert phases(events) == [
        pb.ADD_PHASE_CONNECTING,
        pb.ADD_PHASE_DOWNLOADING,
        pb.ADD_PHASE_CHECKING,
        pb.ADD_PHASE_CONVERTING,
    ]
    model = events[-1].model
    assert (model.name, model.family, model.resolution) == ("metfaces-1024", "stylegan2", 16)
    assert (model.licence, model.domain) == (official.licence, "portraits")
    header = read_header(daemon.paths.models / "metfaces-1024" / "generator.safetensors")
    assert (header.name, header.licence, header.source_sha256) == (model.name, official.licence, SHA256)
    assert official.url in header.provenance
    assert f"{server.root}/mirror/metfaces.pkl" in header.provenance
    assert any(SHA256 in event.notice for event in events)
    assert not downloads(daemon)
    assert entry(daemon, "metfaces-1024").installed


def test_without_consent_to_the_licence_nothing_is_downloaded(daemon: RunningDaemon, server: FileServer) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        add(daemon, "ffhq-1024", mirror=server.root)
    assert reason(caught.value) == "LICENCE_NOT_ACCEPTED"
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    official = entry(daemon, "ffhq-1024")
    assert official.licence in caught.value.details()
    assert official.licence_url in caught.value.details()
    assert not server.requests


def test_an_address_is_downloaded_under_a_name_of_its_own(daemon: RunningDaemon, server: FileServer) -> None:
    server.serve("/shared/my%20model%20(1).pkl", FILE)
    address = f"{server.root}/shared/my%20model%20(1).pkl"
    model = add(daemon, f"{address}?token=secret")[-1].model
    assert model.name == "my-model-1"
    assert address in model.provenance
    assert "secret" not in model.provenance + daemon.paths.log_file.read_text()
    assert add(daemon, address, name="mine")[-1].model.name == "mine"


def test_what_there_is_to_say_about_a_download_is_kept(daemon: RunningDaemon, server: FileServer) -> None:
    buffer = io.BytesIO()
    torch.save({"g": rosinality_state(small_generator()), "latent_avg": torch.zeros(12)}, buffer)
    server.serve("/raw.pt", buffer.getvalue())
    address = f"{server.root}/raw.pt"
    assert add(daemon, address)[-1].model.provenance == f"downloaded from {address}; it holds no averaged generator"
    # A model of ours brings its own origin.
    server.serve("/ours.safetensors", Path(daemon.paths.models, "raw", "generator.safetensors").read_bytes())
    ours = f"{server.root}/ours.safetensors"
    assert add(daemon, ours)[-1].model.provenance.startswith(f"downloaded from {ours}; downloaded from {address}; it ")


def test_a_file_on_the_daemons_machine_is_converted_and_stays(daemon: RunningDaemon, tmp_path: Path) -> None:
    file = tmp_path / "local.pkl"
    file.write_bytes(FILE)
    assert refusal(daemon, str(file), sha256="0" * 64) == "FILE_HASH_WRONG"
    events = add(daemon, str(file), sha256=SHA256.upper())
    assert events[-1].model.name == "local"
    assert file.read_bytes() == FILE


@pytest.mark.parametrize(
    ("source", "fields", "why"),
    [
        ("nobody", {}, "CATALOGUE_UNKNOWN"),
        ("model.pkl", {}, "CATALOGUE_UNKNOWN"),
        ("", {}, "CATALOGUE_UNKNOWN"),
        ("file:///etc/passwd", {}, "SOURCE_INVALID"),
        ("https://[::1", {}, "SOURCE_INVALID"),
        ("/there/is/no/model.pkl", {}, "MODEL_UNKNOWN"),
        ("ROOT/model.pkl", {"sha256": "abc"}, "SHA256_INVALID"),
        ("ROOT/model.pkl", {"name": "../up"}, "MODEL_NAME_INVALID"),
        ("ROOT/model.pkl", {"name": MODEL}, "MODEL_EXISTS"),
        (f"ROOT/{MODEL}.pkl", {}, "MODEL_EXISTS"),
        ("afhqcat-512", {"licence_accepted": True, "mirror": "file:///tmp"}, "SOURCE_INVALID"),
    ],
)
def test_what_cannot_be_added_is_refused_before_anything_is_downloaded(
    daemon: RunningDaemon, server: FileServer, source: str, fields: dict[str, object], why: str
) -> None:
    assert refusal(daemon, source.replace("ROOT", server.root), **fields) == why
    assert not server.requests


def test_a_source_that_changed_is_refused_until_its_new_hash_is_named(
    daemon: RunningDaemon, server: FileServer
) -> None:
    address = f"{server.root}/model.pkl"
    server.serve("/model.pkl", FILE)
    add(daemon, address, name="first")
    server.serve("/model.pkl", OTHER, etag='"two"')
    assert refusal(daemon, address, name="second") == "DOWNLOAD_CHANGED"
    assert not downloads(daemon)
    new = hashlib.sha256(OTHER).hexdigest()
    assert refusal(daemon, address, name="second", sha256=SHA256) == "DOWNLOAD_HASH_WRONG"
    add(daemon, address, name="second", sha256=new)
    add(daemon, address, name="third")


def test_of_files_that_are_damaged_or_no_model_nothing_is_kept(daemon: RunningDaemon, server: FileServer) -> None:
    address = f"{server.root}/model.pkl"
    server.serve("/model.pkl", FILE[: len(FILE) // 2])
    assert refusal(daemon, address) == "FILE_CORRUPT"
    assert not downloads(daemon)
    server.serve("/model.pkl", pickle.dumps({"no": "model"}))
    assert refusal(daemon, address) == "FORMAT_UNSUPPORTED"
    assert not downloads(daemon)
    # Nothing of it was recorded: the right file is welcome.
    server.serve("/model.pkl", FILE, etag='"two"')
    assert add(daemon, address)[-1].model.name == "model"


def begin(daemon: RunningDaemon, source: str) -> tuple[grpc.Call, Path]:
    """An AddModel call that has brought some bytes of a file whose server then went quiet, and the partial file."""
    call = daemon.models.AddModel(pb.AddModelRequest(source=source), timeout=PATIENCE_S)
    next(event for event in call if event.progress.phase == pb.ADD_PHASE_DOWNLOADING and event.progress.bytes)
    (partial,) = daemon.paths.downloads.glob("*.part")
    return call, partial


def held(server: FileServer) -> Served:
    return server.serve("/model.pkl", FILE, hold_after=len(FILE) // 2)


def test_a_cancelled_call_ends_its_download_which_the_next_goes_on_with(
    daemon: RunningDaemon, server: FileServer
) -> None:
    served, address = held(server), f"{server.root}/model.pkl"
    call, partial = begin(daemon, address)
    assert refusal(daemon, address, name="again") == "DOWNLOAD_RUNNING"
    assert len(server.requests) == 1
    call.cancel()
    served.hold_after = None

    def added() -> list[pb.AddModelResponse]:
        with suppress(grpc.RpcError):  # the daemon has yet to hear of the end
            return add(daemon, address)
        return []

    have = partial.stat().st_size
    assert eventually(added)[-1].model.name == "model"
    assert server.ranges() == ["", f"bytes={have}-"]


def test_a_killed_daemon_goes_on_where_it_was(start_daemon: StartDaemon, server: FileServer) -> None:
    served, address = held(server), f"{server.root}/model.pkl"
    first = start_daemon()
    _, partial = begin(first, address)
    first.process.kill()
    first.wait_for_exit()
    have = partial.stat().st_size
    assert 0 < have < len(FILE)
    served.hold_after = None
    second = start_daemon()
    assert add(second, address)[-1].model.name == "model"
    assert server.ranges() == ["", f"bytes={have}-"]
    header = read_header(second.paths.models / "model" / "generator.safetensors")
    assert header.source_sha256 == SHA256


def test_a_daemon_that_is_stopped_does_not_wait_for_downloads(start_daemon: StartDaemon, server: FileServer) -> None:
    held(server)
    daemon = start_daemon()
    call, partial = begin(daemon, f"{server.root}/model.pkl")
    daemon.process.terminate()
    with pytest.raises(grpc.RpcError):
        list(call)
    assert daemon.wait_for_exit() == 0
    assert partial.exists()


def test_a_mirror_and_a_proxy_of_the_daemons_own_are_used(start_daemon: StartDaemon, server: FileServer) -> None:
    server.serve("/official/afhqcat.pkl", b"<html>nothing</html>")
    daemon = start_daemon(
        download_mirror="http://mirror.invalid/official", download_proxy=server.root, worker_command=["/no/worker"]
    )
    assert refusal(daemon, "afhqcat-512", licence_accepted=True) == "DOWNLOAD_NOT_A_FILE"
    assert [path for path, _ in server.requests] == ["http://mirror.invalid/official/afhqcat.pkl"]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_encrypted_sources_must_be_trusted_and_stay_encrypted(
    start_daemon: StartDaemon, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with file_server(tls) as secure:
        secure.serve("/page", b"<html>a page</html>")
        secure.serve("/away", b"", refusals=[(302, {"Location": f"{server.root}/model.pkl"}, b"")])
        daemon = start_daemon(worker_command=["/no/worker"])
        assert refusal(daemon, f"{secure.root}/page") == "CERTIFICATE_REFUSED"
        assert not secure.requests
        daemon.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        daemon = start_daemon(worker_command=["/no/worker"])
        assert refusal(daemon, f"{secure.root}/page") == "DOWNLOAD_NOT_A_FILE"
        assert refusal(daemon, f"{secure.root}/away") == "DOWNLOAD_REFUSED"
        assert not server.requests


def test_vgg16_serves_all_models_once_it_is_added(daemon: RunningDaemon, server: FileServer, tmp_path: Path) -> None:
    state = {}
    for number, (into, out) in enumerate(pairwise(WIDTHS)):
        state |= {f"{number}.weight": torch.zeros(out, into, 3, 3), f"{number}.bias": torch.zeros(out)}
    torch.save(state, tmp_path / "vgg.pth")
    content = (tmp_path / "vgg.pth").read_bytes()
    server.serve("/mirror/vgg16-397923af.pth", content)
    with pytest.raises(grpc.RpcError) as caught:
        add_official(daemon, server, "vgg16")
    assert reason(caught.value) == "DOWNLOAD_SIZE_WRONG"
    kept = daemon.paths.features / "vgg16.safetensors"
    try:
        model = add_official(daemon, server, "vgg16", sha256=hashlib.sha256(content).hexdigest())[-1].model
        assert (model.name, model.licence, model.family) == ("vgg16", "BSD-3-Clause", "")
        assert kept.is_file()
        assert entry(daemon, "vgg16").installed
        assert not downloads(daemon)
        assert refusal(daemon, "vgg16", licence_accepted=True) == "MODEL_EXISTS"
        loaded = daemon.models.LoadModel(pb.LoadModelRequest(name=MODEL), timeout=PATIENCE_S)
        assert loaded.model.name == MODEL
    finally:
        kept.unlink(missing_ok=True)
        daemon.models.UnloadModel(pb.UnloadModelRequest(name=MODEL), timeout=PATIENCE_S)
