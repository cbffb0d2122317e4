"""Containers and pickles read as data: nothing in them is imported or called, and every cost is bounded.

container    which container it is; archive: torch's zip
unpickler    the instructions of a pickle; inert: what the names in it stand for
limits       what a file may make us read and do
"""
