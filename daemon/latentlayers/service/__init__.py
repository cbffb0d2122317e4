"""The front process: listens, authenticates, queues, supervises the worker. Imports neither torch nor numpy."""
