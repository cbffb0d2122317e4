"""The worker process that owns the device, and the frames it exchanges with the front.

Nothing is imported here: the front uses `engine.frames`, which needs no torch.
"""
