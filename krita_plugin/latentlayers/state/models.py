"""The daemon's models, watched while somebody looks at them."""

from __future__ import annotations

from typing import Any

from ..qt import QObject, Signal


class Models(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """The list of models as the daemon last told it.

    Attributes:
        known: the daemon has told it once.

    Signals:
        changed(): it is another.
    """

    changed = Signal()

    def __init__(self, daemon: Any, pb: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._daemon, self._pb = daemon, pb
        self._call: Any = None
        self.all: list[Any] = []
        self.default = ""
        self.known = False

    def watch(self) -> None:
        """Follows the models folder until `unwatch`; again after the daemon was lost and found."""
        if self._call is None or self._call.finished:
            call = self._call = self._daemon.call("ModelService", "WatchModels", self._pb.WatchModelsRequest())
            call.event.connect(self._take)

    def unwatch(self) -> None:
        """Nothing is asked of the daemon any more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def ask(self) -> Any:
        """Asks for the list once; returns the call."""
        call = self._daemon.call("ModelService", "ListModels", self._pb.ListModelsRequest())
        call.event.connect(self._take)
        return call

    @property
    def usable(self) -> list[Any]:
        """The models that can be chosen."""
        return [model for model in self.all if not model.problem]

    def find(self, name: str) -> Any | None:
        """The model of that name ("": the default one) if it can be used."""
        wanted = name or self.default
        return next((model for model in self.usable if model.name == wanted), None)

    def digest(self, name: str) -> str:
        """sha256 of a model's file; "" while the models are not known."""
        model = self.find(name)
        return str(model.digest) if model is not None else ""

    def with_digest(self, digest: str) -> Any | None:
        """The model that a code of the document belongs to; None if it is not on this machine."""
        return next((model for model in self.usable if model.digest == digest), None)

    def _take(self, answer: Any) -> None:
        self.all, self.default, self.known = list(answer.models), answer.default_model, True
        self.changed.emit()
