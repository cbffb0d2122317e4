"""Downloading a checkpoint. It imports the HTTP library, so import it only once somebody asked for a file."""

from latentlayers.checkpoints.download.fetch import Download, DownloadSettings, Progress

__all__ = ["Download", "DownloadSettings", "Progress"]
