"""How states read, in one place."""

from __future__ import annotations

from typing import Any

PHASES = {
    "connecting": "Looking for the daemon",
    "reading": "Reading the layer",
    "waiting": "Waiting for the daemon",
    "loading": "Loading the model",
    "embedding": "Embedding",
    "drawing": "Drawing",
}


def job_text(job: Any, waiting: int) -> str:
    """What an edit is doing: "Embedding Ada: step 40 of 200, 6 s left (1 more waiting)"."""
    progress = job.progress
    text = PHASES[progress.phase]
    if progress.phase == "waiting" and progress.step:
        text += ", %d before this" % progress.step
    if progress.subject:
        text += " %s" % progress.subject
    if progress.phase == "embedding" and progress.total:
        text += ": step %d of %d" % (progress.step, progress.total)
        if progress.eta >= 0:
            text += ", %s left" % duration(progress.eta)
    return text + (" (%d more waiting)" % waiting if waiting else "")


def missing_text(studio: Any) -> str:
    """Which model is not there; empty if none is missed."""
    models, chosen, name = studio.models, studio.settings.model, studio.missing_model()
    if models.known and not models.usable:
        return "There is no model yet. Add one with `latentlayers models add`, or put its file into the models folder."
    if name:
        text = "This layer was embedded with the model %s, which is not on this machine." % name
        return text + " Add it with `latentlayers models add`, or embed the layer again."
    if models.known and chosen and models.find(chosen) is None:
        return "The model %s is not there any more. Choose another one." % chosen
    return ""


def duration(seconds: float) -> str:
    """ "8 s" or "2 min"."""
    return "%d s" % round(seconds) if seconds < 100 else "%d min" % round(seconds / 60)


def brief_text(job: Any) -> str:
    """What came of an edit, in a few words over the canvas."""
    return str(job.error.message) if job.state == "failed" else "%s: %s" % (job.title, job.state)


def ended_text(job: Any) -> str:
    """What came of an edit."""
    if job.state == "cancelled":
        return "Cancelled."
    if job.state == "done":
        return " ".join(part for part in ("%s: done." % job.title, job.verdict) if part)
    return str(job.error)
