"""Starts Krita and quits."""


def run(rig):
    yield 0
