"""A Krita that behaves, for tests of the plugin without Krita: `import krita` finds it with this folder's parent on the
path, after PyQt5 or PyQt6 was imported.

It keeps real pixels, a real tree and a real undo stack, and has those habits of Krita 5.1.5 that the plugin must cope
with, each measured in real Krita:

- Objects are wrapped anew at each call, compare equal, and cannot be hashed.
- Pixels of groups, vector, clone and file layers are not in `pixelData`; `projectionPixelData` has them.
- RGB is BGRA in 8 and 16 bits and RGBA in float, which is linear by default; `setPixelData` ignores a buffer that is
  too short; pixels that were never set are 0; an empty layer's bounds are a null rectangle.
- A layer that was added becomes active some turns of the event loop later.
- Only adding, removing and converting can be undone, one step for each call; so a group costs as many as it has layers.
- `nodeByUniqueID` finds the node, but as a bare QObject.
- What crashes Krita raises `WouldCrash` here, which no `except Exception` catches.
- Nothing tells of changes to layers.

pixels       colour spaces and rows of pixels
documents    Document, Node, Selection
application  Krita, Window, View, Extension, DockWidget
"""

from .application import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita
from .documents import Document, GroupLayer, Node, Selection, WouldCrash

__all__ = [
    "DockWidget",
    "DockWidgetFactory",
    "DockWidgetFactoryBase",
    "Document",
    "Extension",
    "GroupLayer",
    "Krita",
    "Node",
    "Selection",
    "WouldCrash",
]
