"""Krita, as the plugin sees it. Nothing outside this package touches a Krita object.

Facts that shaped it: wrappers are new objects at every call, so a layer is known by its id; pixels are set before a
layer is added, so that one undo step brings it and redo brings it back whole; colours are converted in a clone of the
document, which leaves no undo step and does not mark the user's document as changed.
"""

from .documents import Document, active_document, open_documents, same_document
from .messages import show_message
from .settings import read_setting, write_setting

__all__ = [
    "Document",
    "active_document",
    "open_documents",
    "read_setting",
    "same_document",
    "show_message",
    "write_setting",
]
