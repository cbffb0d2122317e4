"""Importing over the wire: checkpoints are read in the worker, and nothing of a failed import stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc
import psutil
import pytest
import torch
from checkpoint_files import rosinality_state, small_generator
from hostile_files import PROTO, call, value
from latentlayers.v1 import model_service_pb2 as pb
from running_daemon import RunningDaemon, StartDaemon, details, eventually

PATIENCE_S = 240.0  # the first start of torch on a busy machine takes its time
PADDING = 32 << 20


def names(daemon: RunningDaemon) -> list[str]:
    return [model.name for model in daemon.models.ListModels(pb.ListModelsRequest(), timeout=PATIENCE_S).models]


def read_bytes(pid: int) -> int:
    """What the process has read from files so far."""
    return int(psutil.Process(pid).io_counters().read_chars)


@pytest.mark.skipif(not hasattr(psutil.Process, "io_counters"), reason="needs the system's counts of bytes read")
def test_a_hostile_file_is_refused_by_the_worker_and_never_read_by_the_front(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    system = call("os.system", value(f"touch {tmp_path / 'mark'}"))
    padding = b"B" + PADDING.to_bytes(4, "little") + bytes(PADDING)
    (tmp_path / "hostile.pkl").write_bytes(PROTO + padding + b"0" + system + b".")
    before, listed = read_bytes(daemon.process.pid), names(daemon)
    request = pb.ImportModelRequest(path=str(tmp_path / "hostile.pkl"), name="hostile")
    with pytest.raises(grpc.RpcError) as caught:
        daemon.models.ImportModel(request, timeout=PATIENCE_S)
    reason, metadata, _ = details(caught.value)
    assert (caught.value.code(), reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FORMAT_UNSUPPORTED")
    assert "os.system" in caught.value.details()
    assert metadata["remedy"]
    assert not (tmp_path / "mark").exists()
    assert read_bytes(daemon.process.pid) - before < PADDING
    assert names(daemon) == listed
    maps = Path(f"/proc/{daemon.process.pid}/maps")
    if maps.exists():
        assert "libtorch" not in maps.read_text()


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_worker_killed_while_it_imports_leaves_no_half_model(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon()
    wide = {"channels": {4: 512, 8: 512, 16: 512}, "resolution": 16}
    torch.save({"g_ema": rosinality_state(small_generator(**wide))}, tmp_path / "wide.pt")
    size = (tmp_path / "wide.pt").stat().st_size
    request = pb.ImportModelRequest(path=str(tmp_path / "wide.pt"), name="wide")
    daemon.models.LoadModel(pb.LoadModelRequest(), timeout=PATIENCE_S)
    listed, worker = names(daemon), daemon.status.worker_pid
    begun = read_bytes(worker)
    importing = daemon.models.ImportModel.future(request, timeout=PATIENCE_S)
    eventually(lambda: read_bytes(worker) - begun > size // 4)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(grpc.RpcError) as caught:
        importing.result()
    assert details(caught.value)[0] == "WORKER_DIED"
    assert names(daemon) == listed
    assert daemon.models.ImportModel(request, timeout=PATIENCE_S).model.name == "wide"
    assert sorted(names(daemon)) == sorted([*listed, "wide"])
