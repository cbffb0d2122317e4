"""The docker's content: connection, model, the operations, the edit under way, and the history."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtCore, QtGui, QtWidgets
from ..state.studio import Studio
from ..values import Refused
from . import wording
from .choices import PASTES, PRESETS, choice, select, show_models
from .controls import THUMBNAIL, Dot, EditButton, Trouble, prose
from .history import History
from .pages import PAGES, Page, raw_image
from .preview import Preview
from .tabs import IconTabs

LOOK_EVERY_MS = 500  # Krita tells nobody when layers are renamed, moved or removed
COMPARED = 256
PROGRESS_STEPS = 1000
LEAST_HEIGHT = 40  # of what is scrolled: less than Qt's own, in favour of an error's buttons


class Panel(QtWidgets.QWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """All of the docker; usable at a width of 300 pixels.

    The connection above and the edit under way below are always seen; what is between them is scrolled where the docker
    is too low for it, so that nothing is squeezed.
    """

    def __init__(self, studio: Studio, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self._shown = False
        self._seen: tuple[Any, str] = (None, "")  # the document in front and its active layer
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._build()
        studio.daemon.state_changed.connect(self._show_connection)
        studio.models.changed.connect(self._show_models)
        studio.settings_changed.connect(self._show_settings)
        studio.refused.connect(self._show_refusal)
        studio.jobs.changed.connect(self._show_job)
        studio.jobs.ended.connect(self._show_end)
        # Methods, not lambdas: a window of Krita may be closed, and takes its docker along, but not the studio.
        studio.live.picture.connect(self._show_picture)
        studio.live.unavailable.connect(self.preview.say)
        studio.memories.changed.connect(self._show_memory)
        self._show_connection(studio.daemon.state)
        self._show_models()
        self._show_settings()

    # Parts

    def _build(self) -> None:
        self.dot, self.connection, self.connection_remedy = Dot(), prose(), prose()
        self.fix_button = QtWidgets.QPushButton("Fix")
        self.fix_button.clicked.connect(self._studio.fix)
        self.model = choice("Model", (), lambda name: self._studio.set(model=name))
        self.preset = choice("Preset", PRESETS, lambda name: self._studio.set(preset=name))
        self.paste = choice("Results", PASTES, lambda name: self._studio.set(paste=name))
        self.missing = prose()
        self.missing.hide()

        self.tabs = IconTabs()
        self.pages = [kind() for kind in PAGES]
        self.apply_buttons = [self._add_page(page) for page in self.pages]
        self.tabs.changed.connect(lambda _index: self._wish())

        self.preview = Preview(lambda: self._studio.before(COMPARED))
        self.progress = QtWidgets.QProgressBar()
        self.progress.setTextVisible(False)
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        self.status = prose()
        self.status.hide()
        self.cancel_button = QtWidgets.QPushButton("Cancel")
        self.cancel_button.clicked.connect(self._studio.jobs.cancel)
        self.trouble = Trouble()
        self.history = History()
        self.history.again.connect(self._studio.apply_again)
        self.history.starred.connect(lambda deed: self._change_history("star", deed.id, not deed.starred))
        self.history.forgotten.connect(lambda deed: self._change_history("forget", deed.id))

        choices = QtWidgets.QFormLayout()
        choices.setContentsMargins(0, 0, 0, 0)
        for label, box in (("Model", self.model), ("Preset", self.preset), ("Results", self.paste)):
            choices.addRow(label, box)
        middle = QtWidgets.QWidget()
        middle.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        parts = QtWidgets.QVBoxLayout(middle)
        parts.setContentsMargins(0, 0, 0, 0)
        parts.addLayout(choices)
        for part in (self.missing, self.tabs, self.preview, self.history):
            parts.addWidget(part)
        parts.setStretchFactor(self.history, 1)

        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.setContentsMargins(6, 6, 6, 6)  # the layout's own are taken away by Krita
        column.addLayout(_row(self.dot, self.connection, self.fix_button, stretch=self.connection))
        column.addWidget(self.connection_remedy)
        column.addWidget(_scrolled(middle), 1)
        column.addLayout(_row(self.progress, self.cancel_button, stretch=self.progress))
        column.addWidget(self.status)
        column.addWidget(self.trouble)
        self._show_idle()

    def _add_page(self, page: Page) -> QtWidgets.QPushButton:
        button = EditButton(page.action)
        button.clicked.connect(lambda: self._apply(page))
        page.form.addRow(button)
        page.changed.connect(self._wish)
        self.tabs.add(page, page.title, page.icon)
        return button

    @property
    def page(self) -> Page:
        return self.pages[self.tabs.index]

    def show_page(self, title: str) -> None:
        """Brings the tab of that title to the front."""
        self.tabs.show_page([page.title for page in self.pages].index(title))

    # What the painter does

    def _apply(self, page: Page) -> None:
        self.trouble.hide()
        try:
            operation = page.operation()
        except Refused as refusal:
            self._show_refusal(refusal)
            return
        self._studio.apply(operation)

    def _wish(self) -> None:
        """Asks for a preview of the page in front."""
        if not self._shown or self._studio.jobs.current is not None:
            return
        try:
            operation = self.page.preview()
        except Refused as refusal:
            self.preview.say(refusal.message)
            return
        if operation is not None:
            self._studio.preview(operation)
        elif self.preview.image is None:
            self.preview.say("")  # what another page said

    def _change_history(self, change: str, *arguments: Any) -> None:
        document = self._studio.host.active_document()
        if document is not None:
            getattr(self._studio.memories.of(document), change)(*arguments)
            self._studio.memories.save(document)

    # What Krita does

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self._shown:
            self._shown = True
            self._studio.attach()
            self._timer.start()
            self.look()

    def hideEvent(self, event: Any) -> None:
        super().hideEvent(event)
        if self._shown:
            self._shown = False
            self._timer.stop()
            self._studio.detach()

    def look(self) -> None:
        """Follows the document in front; runs only while the docker is visible."""
        document = self._studio.host.active_document()
        layers = document.layers() if document is not None else []
        for page in self.pages:
            page.show_layers(layers, lambda layer: document.thumbnail(layer, THUMBNAIL))
        active = document.active_layer() if document is not None else None
        layer = active.id if active is not None else ""
        if layer != self._seen[1] or not self._studio.host.same_document(document, self._seen[0]):
            first, self._seen = self._seen == (None, ""), (document, layer)
            self._show_missing()
            self._show_memory()
            if not first:
                self._wish()  # the picture is still that of another layer

    # What is shown

    def _show_connection(self, state: Any) -> None:
        self.dot.show_state(state.kind)
        self.connection.setText(state.message)
        self.connection.setToolTip(state.code)
        self.connection_remedy.setText(state.remedy)
        self.connection_remedy.setVisible(bool(state.remedy))
        self.fix_button.setVisible(state.kind in ("failed", "idle"))

    def _show_models(self) -> None:
        models, chosen = self._studio.models, self._studio.settings.model
        show_models(self.model, models, chosen)
        for page in self.pages:
            page.show_model(models.find(chosen))
        self._show_missing()

    def _show_settings(self) -> None:
        settings = self._studio.settings
        select(self.preset, settings.preset)
        select(self.paste, settings.paste)
        self._show_models()

    def _show_missing(self) -> None:
        text = wording.missing_text(self._studio)
        self.missing.setText(text)
        self.missing.setVisible(bool(text))

    def _show_picture(self, raw: Any) -> None:
        self.preview.show_image(raw_image(raw))

    def _show_memory(self, _changed: Any = None) -> None:
        document = self._studio.host.active_document()
        self.history.show_memory(self._studio.memories.of(document) if document is not None else None)

    def _show_job(self, job: Any) -> None:
        if job.state == "queued":  # the painter goes on
            self.trouble.hide()
        if job is not self._studio.jobs.current:
            return
        self.cancel_button.setEnabled(True)
        share = job.progress.share
        self.progress.setRange(0, PROGRESS_STEPS if share >= 0 else 0)  # 0: that it works, but not how far it is
        self.progress.setValue(round(PROGRESS_STEPS * share))
        self.progress.show()
        self._say(wording.job_text(job, self._studio.jobs.waiting))
        if job.progress.preview is not None:
            self._show_picture(job.progress.preview)
        elif self.preview.image is None:
            self.preview.say("")

    def _show_end(self, job: Any) -> None:
        if self._studio.jobs.current is None:
            self._show_idle()
        self._say(wording.ended_text(job) if job.state != "failed" else "")
        if job.state == "failed":
            self.trouble.show_trouble(job.error.message, job.error.remedy, getattr(job.error, "reason", ""))
        if job.deed is not None:
            image = QtGui.QImage()
            image.loadFromData(job.deed.thumbnail)
            self.preview.show_image(image)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def _show_idle(self) -> None:
        self.cancel_button.setEnabled(False)
        self.progress.hide()  # an empty one would be painted 60 times a second, once it has shown an unknown share

    def _show_refusal(self, refusal: Refused) -> None:
        self.trouble.show_trouble(refusal.message, refusal.remedy)


def _scrolled(widget: QtWidgets.QWidget) -> QtWidgets.QScrollArea:
    """The widget, with a scroll bar where there is too little room for it."""
    area = QtWidgets.QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setMinimumHeight(LEAST_HEIGHT)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has it
    area.setWidget(widget)
    return area


def _row(*widgets: QtWidgets.QWidget, stretch: QtWidgets.QWidget) -> QtWidgets.QHBoxLayout:
    row = QtWidgets.QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, 1 if widget is stretch else 0)
    return row
