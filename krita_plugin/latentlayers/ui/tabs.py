"""Pages behind a row of icons with words under them: five fit into 300 pixels, which tabs would not."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtCore, QtWidgets, Signal
from .icons import icon

ICON = 20


class IconTabs(QtWidgets.QWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Like a QTabWidget, as tall as the page in front.

    Signals:
        changed(int): another page is in front.
    """

    changed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._pages: list[QtWidgets.QWidget] = []
        self._icons: list[str] = []
        self.buttons = QtWidgets.QButtonGroup(self)
        self.buttons.setExclusive(True)
        self._row = QtWidgets.QHBoxLayout()
        self._row.setSpacing(1)
        self._column = QtWidgets.QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addLayout(self._row)

    def add(self, page: QtWidgets.QWidget, title: str, icon_name: str) -> None:
        """Adds a page; the first one is in front."""
        button = QtWidgets.QToolButton()
        button.setText(title)
        button.setCheckable(True)
        button.setAutoRaise(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QtCore.QSize(ICON, ICON))
        button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        font = button.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        button.setFont(font)
        index = len(self._pages)
        self.buttons.addButton(button, index)
        button.clicked.connect(lambda _checked=False: self.show_page(index))
        self._pages.append(page)
        self._icons.append(icon_name)
        self._row.addWidget(button, 1)
        self._column.addWidget(page)
        self._bring(0)
        self._tint()

    @property
    def index(self) -> int:
        """Of the page in front."""
        return int(self.buttons.checkedId())

    def show_page(self, index: int) -> None:
        """Brings a page to the front."""
        self._bring(index)
        self.changed.emit(index)

    def _bring(self, index: int) -> None:
        for i, page in enumerate(self._pages):
            page.setVisible(i == index)
            # The tab key reaches the page's own button, and the arrow keys the others from there.
            policy = Qt.FocusPolicy.TabFocus if i == index else Qt.FocusPolicy.NoFocus
            self.buttons.button(i).setFocusPolicy(policy)
        self.buttons.button(index).setChecked(True)

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange:
            self._tint()

    def _tint(self) -> None:
        for index, name in enumerate(self._icons):
            self.buttons.button(index).setIcon(icon(name, self.palette()))
