"""The client's view of the library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from latentlayers.client.connection import Connection
from latentlayers.client.files import read_file
from latentlayers.client.info import EmbeddingInfo
from latentlayers.client.options import lookup
from latentlayers.client.wire_errors import typed
from latentlayers.v1 import embedding_service_pb2 as pb
from latentlayers.v1 import embedding_service_pb2_grpc

FORMATS = {
    "": pb.LATENT_FORMAT_UNSPECIFIED,
    "safetensors": pb.LATENT_FORMAT_SAFETENSORS,
    "npz": pb.LATENT_FORMAT_NPZ,
    "npy": pb.LATENT_FORMAT_NPY,
    "pt": pb.LATENT_FORMAT_PT,
}
_PAGE = 200


class Embeddings:
    """What `Client.embeddings` is. All methods raise the daemon's typed errors; EMBEDDING_UNKNOWN for an unknown id.

    An id may be shortened to its first six or more characters where those are unique.
    """

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self._stub = connection.stub(embedding_service_pb2_grpc.EmbeddingServiceStub)
        self._limit = connection.request_limit
        self._timeout = timeout

    def __iter__(self) -> Iterator[EmbeddingInfo]:
        return self.list()

    def list(self, model: str = "") -> Iterator[EmbeddingInfo]:
        """Newest first, without latents; all, or those of one model. Pages are fetched as they are needed."""
        token = ""
        while True:
            request = pb.ListEmbeddingsRequest(model=model, page_size=_PAGE, page_token=token)
            with typed():
                page = self._stub.ListEmbeddings(request, timeout=self._timeout)
            yield from map(EmbeddingInfo.from_wire, page.embeddings)
            token = page.next_page_token
            if not token:
                return

    def get(self, id: str) -> EmbeddingInfo:
        """With its latent."""
        with typed():
            answer = self._stub.GetEmbedding(pb.GetEmbeddingRequest(id=id), timeout=self._timeout)
        return EmbeddingInfo.from_wire(answer.embedding)

    def delete(self, id: str) -> None:
        with typed():
            self._stub.DeleteEmbedding(pb.DeleteEmbeddingRequest(id=id), timeout=self._timeout)

    def export(self, id: str, format: str = "safetensors") -> tuple[bytes, str]:
        """The content of a "safetensors", "npz" or "npy" file, and a name for it.

        Raises:
            InvalidInput: OPTION_INVALID, another format. NotFound: EMBEDDING_UNKNOWN.
        """
        request = pb.ExportEmbeddingRequest(id=id, format=lookup("format", FORMATS, format))
        with typed():
            answer = self._stub.ExportEmbedding(request, timeout=self._timeout)
        return answer.data, answer.file_name

    def import_(
        self, file: str | os.PathLike[str] | bytes, *, format: str = "", model: str = "", name: str = ""
    ) -> tuple[EmbeddingInfo, ...]:
        """Adds the latents of a .safetensors, .npz, .npy or .pt file.

        Args:
            format: found out from the content if "".
            model: the model they belong to; "" is what the file says, else the default model.

        Raises:
            InvalidInput: FILE_NOT_FOUND, FILE_UNREADABLE, FORMAT_UNSUPPORTED, FILE_CORRUPT, LATENT_SHAPE,
                LATENT_NOT_FINITE. Exhausted: IMAGE_TOO_LARGE.
        """
        if isinstance(file, bytes):
            data = file
        else:
            data = read_file(Path(file), self._limit, "latent")
            name = name or Path(file).stem
        request = pb.ImportEmbeddingsRequest(
            data=data, format=lookup("format", FORMATS, format), model=model, name=name
        )
        with typed():
            answer = self._stub.ImportEmbeddings(request, timeout=self._timeout)
        return tuple(map(EmbeddingInfo.from_wire, answer.embeddings))
