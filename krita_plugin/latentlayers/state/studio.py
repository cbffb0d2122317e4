"""All that the widgets show and the actions do, in one place: the daemon, its models, the edits, and the settings."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from ..qt import QObject, Signal
from ..values import Refused
from .edit import Job, Settings
from .jobs import Jobs
from .live import LivePreview
from .memories import Memories
from .models import Models
from .operations import Operation


class Studio(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """The plugin without its widgets.

    Args:
        host: the `host` package, or what stands in for it.
        daemon, pb: wire's Daemon and messages.

    Signals:
        refused(Refused): something that was asked for cannot be done.
        settings_changed(): `settings` are others.
    """

    refused = Signal(object)
    settings_changed = Signal()

    def __init__(self, host: Any, daemon: Any, pb: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.host, self.daemon, self.pb = host, daemon, pb
        self.settings = _read_settings(host.read_setting())
        self.models = Models(daemon, pb, self)
        self.memories = Memories(host.same_document, self)
        self.jobs = Jobs(daemon, pb, self.memories, self.models, self)
        self.live = LivePreview(daemon, pb, self.memories, self.models, self)
        self._watchers = 0
        daemon.state_changed.connect(self._follow_models)

    # The daemon

    def attach(self) -> None:
        """A widget is being shown: looks for the daemon, and follows its models while there is such a widget."""
        self._watchers += 1
        if self.daemon.state.kind == "connected":
            self.models.watch()
        else:
            self.daemon.connect_()

    def detach(self) -> None:
        """It is hidden again; with the last one, nothing is asked of the daemon any more but edits."""
        self._watchers = max(0, self._watchers - 1)
        if self._watchers == 0:
            self.models.unwatch()
            self.live.stop()

    def fix(self) -> None:
        """Does what can be done about a missing connection: starts the daemon."""
        self.daemon.start()

    def close(self) -> None:
        """Krita is quitting: nothing is waited for."""
        self.daemon.close()

    def _follow_models(self, state: Any) -> None:
        if state.kind == "connected" and self._watchers:
            self.models.watch()

    # Settings

    def set(self, **changes: Any) -> None:
        """Changes settings by name, and keeps them."""
        self.settings = replace(self.settings, **changes)
        self.host.write_setting(json.dumps(asdict(self.settings)))
        self.settings_changed.emit()

    # Edits

    def target(self) -> tuple[Any, Any]:
        """The document in front and its active layer.

        Raises:
            Refused: there is none.
        """
        document = self.host.active_document()
        if document is None:
            raise Refused("No document is open.", "Open a picture, or make a new one.")
        layer = document.active_layer()
        if layer is None:
            raise Refused("No layer is active.", "Click a layer in the Layers docker.")
        return document, layer

    def apply(self, operation: Operation) -> Job | None:
        """Edits the active layer; None, and `refused`, if that cannot be."""
        try:
            document, layer = self.target()
            operation.require_different_layers(layer.id)
        except Refused as refusal:
            self.refused.emit(refusal)
            return None
        return self.jobs.start(operation, document, layer.id, self.settings)

    def apply_again(self, deed: Any) -> Job | None:
        """Does an edit of the history again, to the layer it was done to."""
        document = self.host.active_document()
        try:
            if document is None or not document.has_layer(deed.layer):
                raise Refused("The layer of this edit is no longer there.", "Undo its removal, or edit another layer.")
        except Refused as refusal:
            self.refused.emit(refusal)
            return None
        return self.jobs.start(deed.operation, document, deed.layer, replace(self.settings, model=deed.model))

    def preview(self, operation: Operation) -> None:
        """Wishes for a picture of an edit of the active layer."""
        try:
            document, layer = self.target()
        except Refused:
            return
        try:
            operation.require_different_layers(layer.id)
        except Refused as refusal:
            self.live.unavailable.emit(refusal.message)
            return
        self.live.show(operation, document, layer.id, self.settings.model)

    def before(self, side: int) -> Any:
        """What a preview is compared with: the part of the active layer that the model draws, as an image, or all of
        it where that is not known; None without a layer. No side is longer than `side` pixels."""
        try:
            document, layer = self.target()
            code = self.memories.of(document).code(layer.id, self.models.digest(self.settings.model))
            bounds = code.square.bounds.intersected(document.bounds) if code is not None else None
            if bounds is None or bounds.is_empty:
                return document.thumbnail(layer.id, side)
            return document.read(layer.id, bounds, side).image()
        except Refused:
            return None

    def missing_model(self) -> str:
        """Name of the model that the active layer was embedded with, if it is not on this machine; else ""."""
        try:
            document, layer = self.target()
        except Refused:
            return ""
        code = self.memories.of(document).code(layer.id)
        if code is None or not self.models.all or self.models.with_digest(code.digest) is not None:
            return ""
        return str(code.model)


def _read_settings(text: str) -> Settings:
    """Settings as `set` wrote them; the defaults for anything else."""
    try:
        return Settings(**{key: str(value) for key, value in json.loads(text or "{}").items()})
    except (ValueError, TypeError, AttributeError):
        return Settings()
