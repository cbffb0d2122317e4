"""The picture that follows the sliders and the embedding; pressing it shows the layer as it is."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import Qt, QtGui, QtWidgets

SIDE = 180


class Preview(QtWidgets.QLabel):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Shows one picture as large as it fits; another one while the mouse is held down.

    Args:
        before: gives that other one, if there is one.
    """

    def __init__(self, before: Callable[[], QtGui.QImage | None]) -> None:
        super().__init__()
        self._before = before
        self._after: QtGui.QImage | None = None
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumHeight(SIDE)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setToolTip("Hold the mouse button to compare with the layer.")
        self.setAccessibleName("Preview")
        self.say("")

    @property
    def image(self) -> QtGui.QImage | None:
        """The picture that is shown while nothing is held."""
        return self._after

    def show_image(self, image: QtGui.QImage) -> None:
        self._after = image
        self._draw(image)

    def say(self, text: str) -> None:
        """Words in place of a picture."""
        self._after = None
        self.setPixmap(QtGui.QPixmap())
        self.setText(text)
        self.setWordWrap(True)

    def mousePressEvent(self, event: Any) -> None:
        before = self._before() if self._after is not None else None
        if before is not None:
            self._draw(before)

    def mouseReleaseEvent(self, event: Any) -> None:
        if self._after is not None:
            self._draw(self._after)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        if self._after is not None:
            self._draw(self._after)

    def _draw(self, image: QtGui.QImage) -> None:
        side = max(16, min(self.width(), max(SIDE, self.height())))
        smooth = Qt.TransformationMode.SmoothTransformation
        pixmap = QtGui.QPixmap.fromImage(image).scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, smooth)
        self.setPixmap(pixmap)
