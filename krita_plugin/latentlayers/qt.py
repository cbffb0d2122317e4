"""Qt 5 and Qt 6 under the same names: the only module that knows which of the two Krita runs.

What differs between them is bridged here and nowhere else. Enumerators are written fully scoped
(`Qt.AlignmentFlag.AlignLeft`) everywhere, which both understand.
"""

import importlib.util
import sys


def _major():
    """Krita's Qt, which decides; importing the other one's bindings into the same process can crash it."""
    pykrita = sys.modules.get("pykrita")
    if hasattr(pykrita, "qt_major_version"):
        return int(pykrita.qt_major_version())
    for module, major in (("PyQt5", 5), ("PyQt6", 6)):  # a Krita that does not tell is a Krita 5
        if module in sys.modules:
            return major
    return 5 if importlib.util.find_spec("PyQt5") else 6


QT_MAJOR = _major()

if QT_MAJOR >= 6:
    from PyQt6 import QtCore, QtGui, QtWidgets, sip

    QAction, QActionGroup, QShortcut = QtGui.QAction, QtGui.QActionGroup, QtGui.QShortcut
else:
    from PyQt5 import QtCore, QtGui, QtWidgets, sip

    QAction, QActionGroup, QShortcut = QtWidgets.QAction, QtWidgets.QActionGroup, QtWidgets.QShortcut

Qt = QtCore.Qt
QObject = QtCore.QObject
Signal = QtCore.pyqtSignal
Slot = QtCore.pyqtSlot

__all__ = [
    "QT_MAJOR",
    "QAction",
    "QActionGroup",
    "QObject",
    "QShortcut",
    "Qt",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "Signal",
    "Slot",
    "sip",
]
