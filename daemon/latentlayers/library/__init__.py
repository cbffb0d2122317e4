"""What the daemon keeps on the disk: embeddings and models. Imports neither torch nor numpy."""

from latentlayers.library.embeddings import Embedding, EmbeddingInfo, Latent, embedding_key, new_id
from latentlayers.library.formats import ExportedFile, Format, described_as
from latentlayers.library.models import ModelEntry, ModelStore
from latentlayers.library.store import Library, Page

__all__ = [
    "Embedding",
    "EmbeddingInfo",
    "ExportedFile",
    "Format",
    "Latent",
    "Library",
    "ModelEntry",
    "ModelStore",
    "Page",
    "described_as",
    "embedding_key",
    "new_id",
]
