"""Models and embeddings over the wire: all that the front answers by itself, without a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import grpc
import library_samples as samples
import pytest
from latentlayers.library import Library, ModelStore
from latentlayers.v1 import embedding_service_pb2 as pb
from latentlayers.v1 import latent_pb2
from latentlayers.v1 import model_service_pb2 as models_pb
from running_daemon import PATIENCE_S, RunningDaemon, StartDaemon, eventually, reason


@pytest.fixture
def private(start_daemon: StartDaemon) -> RunningDaemon:
    """A daemon whose worker cannot start: nothing here may need one."""
    daemon = start_daemon(worker_command=["/there/is/no/worker"])
    samples.model_file(daemon.paths.models / "tiny" / "generator.safetensors")
    return daemon


def fill(daemon: RunningDaemon, count: int) -> list[str]:
    """Puts embeddings of the model "tiny" into the daemon's library; their ids, newest first."""
    model = ModelStore(daemon.paths).get("tiny")
    now = time.time()
    with Library(daemon.paths.library) as library:
        embeddings = [
            samples.embedding(n, model_digest=model.digest, created=now - n, name=f"picture {n}.png")
            for n in range(count)
        ]
        for embedding in embeddings:
            library.add(embedding)
    return [embedding.id for embedding in embeddings]


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), reason(caught.value)


def listed(daemon: RunningDaemon, **request: object) -> pb.ListEmbeddingsResponse:
    return daemon.embeddings.ListEmbeddings(pb.ListEmbeddingsRequest(**request), timeout=PATIENCE_S)


def test_embeddings_are_listed_newest_first_page_by_page_without_latents(private: RunningDaemon) -> None:
    ids = fill(private, 5)
    pages, token = [], ""
    while True:
        page = listed(private, page_size=2, page_token=token)
        pages.append([embedding.id for embedding in page.embeddings])
        assert not any(embedding.HasField("latent") for embedding in page.embeddings)
        token = page.next_page_token
        if not token:
            break
    assert pages == [ids[0:2], ids[2:4], ids[4:5]]
    assert [embedding.id for embedding in listed(private, model="tiny").embeddings] == ids
    assert not listed(private, model="another").embeddings


def test_a_page_token_that_is_none_of_ours_is_refused(private: RunningDaemon) -> None:
    assert refusal(lambda: listed(private, page_token="?")) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "PAGE_TOKEN_INVALID",
    )


def test_an_embedding_is_found_by_a_prefix_of_its_id_with_latent_and_thumbnail(private: RunningDaemon) -> None:
    (id_,) = fill(private, 1)
    found = private.embeddings.GetEmbedding(pb.GetEmbeddingRequest(id=id_[:6]), timeout=PATIENCE_S).embedding
    assert found.id == id_
    assert found.name == "picture 0.png"
    assert found.latent.ws == samples.latent(0).values
    assert (found.latent.rows, found.latent.width) == (samples.ROWS, samples.WIDTH)
    assert found.thumbnail
    assert found.space == latent_pb2.LATENT_SPACE_W_PLUS
    assert found.likeness == latent_pb2.LIKENESS_GOOD


def test_a_deleted_embedding_is_gone(private: RunningDaemon) -> None:
    (id_,) = fill(private, 1)
    private.embeddings.DeleteEmbedding(pb.DeleteEmbeddingRequest(id=id_), timeout=PATIENCE_S)
    for call in (
        lambda: private.embeddings.GetEmbedding(pb.GetEmbeddingRequest(id=id_), timeout=PATIENCE_S),
        lambda: private.embeddings.DeleteEmbedding(pb.DeleteEmbeddingRequest(id=id_), timeout=PATIENCE_S),
    ):
        assert refusal(call) == (grpc.StatusCode.NOT_FOUND, "EMBEDDING_UNKNOWN")
    assert not listed(private).embeddings


@pytest.mark.parametrize("form", [pb.LATENT_FORMAT_SAFETENSORS, pb.LATENT_FORMAT_NPZ, pb.LATENT_FORMAT_NPY])
def test_an_exported_embedding_can_be_imported_again(private: RunningDaemon, form: pb.LatentFormat) -> None:
    (id_,) = fill(private, 1)
    file = private.embeddings.ExportEmbedding(pb.ExportEmbeddingRequest(id=id_, format=form), timeout=PATIENCE_S)
    assert Path(file.file_name).suffix[1:].upper() == pb.LatentFormat.Name(form).rpartition("_")[2]
    private.embeddings.DeleteEmbedding(pb.DeleteEmbeddingRequest(id=id_), timeout=PATIENCE_S)
    # Our own files say which model they belong to, the others do not.
    model = "" if form == pb.LATENT_FORMAT_SAFETENSORS else "tiny"
    request = pb.ImportEmbeddingsRequest(data=file.data, model=model, name="again")
    (added,) = private.embeddings.ImportEmbeddings(request, timeout=PATIENCE_S).embeddings
    assert added.model == "tiny"
    assert added.latent.ws == samples.latent(0).values
    assert [embedding.id for embedding in listed(private).embeddings] == [added.id]


def test_what_cannot_be_imported_is_refused_with_a_reason(private: RunningDaemon) -> None:
    def add(**request: object) -> Callable[[], object]:
        return lambda: private.embeddings.ImportEmbeddings(pb.ImportEmbeddingsRequest(**request), timeout=PATIENCE_S)

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(add(data=b"not a latent", model="tiny")) == (invalid, "FORMAT_UNSUPPORTED")
    assert refusal(add(data=b"\x93NUMPY", format=99, model="tiny")) == (invalid, "FORMAT_UNSUPPORTED")
    assert refusal(add(data=b"", model="unheard of")) == (grpc.StatusCode.NOT_FOUND, "MODEL_UNKNOWN")


def test_a_model_that_cannot_be_used_takes_no_embeddings(private: RunningDaemon) -> None:
    (private.paths.models / "broken.safetensors").write_bytes(b"nonsense")
    request = pb.ImportEmbeddingsRequest(data=b"", model="broken")
    assert refusal(lambda: private.embeddings.ImportEmbeddings(request, timeout=PATIENCE_S)) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "MODEL_UNUSABLE",
    )


def test_models_are_listed_with_what_their_files_say(private: RunningDaemon) -> None:
    (private.paths.models / "broken.safetensors").write_bytes(b"nonsense")
    answer = private.models.ListModels(models_pb.ListModelsRequest(), timeout=PATIENCE_S)
    models = {model.name: model for model in answer.models}
    assert (models["tiny"].resolution, models["tiny"].num_ws, models["tiny"].w_dim) == (64, 10, samples.WIDTH)
    assert models["tiny"].problem == ""
    assert models["broken"].problem
    assert answer.default_model in models
    assert models[answer.default_model].problem == ""
    one = private.models.GetModel(models_pb.GetModelRequest(name="tiny"), timeout=PATIENCE_S)
    assert one.model == models["tiny"]
    default = private.models.GetModel(models_pb.GetModelRequest(), timeout=PATIENCE_S)
    assert default.model.name == answer.default_model


def test_watching_models_tells_of_those_that_come_and_go(private: RunningDaemon) -> None:
    watch = private.models.WatchModels(models_pb.WatchModelsRequest(), timeout=PATIENCE_S)

    def names() -> set[str]:
        return {model.name for model in next(watch).models}

    eventually(lambda: "tiny" in names())
    samples.model_file(private.paths.models / "second.safetensors", "second")
    eventually(lambda: {"tiny", "second"} <= names())
    private.models.RemoveModel(models_pb.RemoveModelRequest(name="second"), timeout=PATIENCE_S)
    eventually(lambda: "second" not in names())


def test_unknown_models_are_not_found_by_any_call_and_no_worker_is_asked(private: RunningDaemon) -> None:
    for call, request in (
        (private.models.GetModel, models_pb.GetModelRequest(name="x")),
        (private.models.LoadModel, models_pb.LoadModelRequest(name="x")),
        (private.models.UnloadModel, models_pb.UnloadModelRequest(name="x")),
        (private.models.RemoveModel, models_pb.RemoveModelRequest(name="x")),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=PATIENCE_S)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert reason(caught.value) == "MODEL_UNKNOWN"


def test_a_model_to_import_must_be_named_by_its_full_path(private: RunningDaemon) -> None:
    request = models_pb.ImportModelRequest(path="some/checkpoint.pkl")
    assert refusal(lambda: private.models.ImportModel(request, timeout=PATIENCE_S)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "PATH_INVALID",
    )


def test_a_model_that_is_not_loaded_is_unloaded_without_a_worker(private: RunningDaemon) -> None:
    private.models.UnloadModel(models_pb.UnloadModelRequest(name="tiny"), timeout=PATIENCE_S)


def test_removing_needs_a_name(private: RunningDaemon) -> None:
    call = private.models.RemoveModel
    assert refusal(lambda: call(models_pb.RemoveModelRequest(), timeout=PATIENCE_S)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "MODEL_NAME_INVALID",
    )


def test_what_the_front_did_not_expect_is_reported_without_its_details(private: RunningDaemon, tmp_path: Path) -> None:
    private.paths.library.rmdir()
    private.paths.library.write_bytes(b"a file where the folder should be")
    with pytest.raises(grpc.RpcError) as caught:
        listed(private)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert reason(caught.value) in ("INTERNAL", "LIBRARY_WRITE_FAILED")
    assert "Traceback" not in (caught.value.details() or "")
