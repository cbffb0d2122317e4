"""Widgets. They show what `state` holds and pass on what the painter does; nothing is decided here."""
