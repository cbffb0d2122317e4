"""The Qt binding that was imported first."""

import importlib
import sys

BINDING = "PyQt6" if "PyQt6" in sys.modules else "PyQt5"
QtCore, QtGui, QtWidgets = (importlib.import_module(f"{BINDING}.{name}") for name in ("QtCore", "QtGui", "QtWidgets"))
QAction = (QtGui if BINDING == "PyQt6" else QtWidgets).QAction
