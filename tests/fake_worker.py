"""A worker that does what the test wants, for faults that the real one cannot be made to have.

It speaks the frames of `latentlayers.engine.frames`; every job has a thread of its own. What a job does is said by
the embedding id of a Render request, as words separated by blanks, done one after the other:

    steps:N:S       N progress events, one every S seconds; stops when cancelled
    previews:N:B    N progress events with a preview of B bytes, at once
    images:N:B      N pictures of B bytes, at once
    wait            waits until there is a file `go` in the home folder; stops when cancelled
    hang            does nothing and does not stop when cancelled
    die             kills itself
    exit:C          exits with code C
    nonsense        writes what is not a frame
    refuse          fails with a typed error

Every START and CANCEL is written as a line to the file `journal` in the home folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

from latentlayers.engine.frames import Frame, FrameKind, Start, error_to_json, read_frame
from latentlayers.errors import Cancelled, InvalidInput, LatentLayersError
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import picture_pb2


class FakeWorker:
    def __init__(self, journal: Path) -> None:
        self._journal, self._go = journal, journal.with_name("go")
        self._lock = threading.Lock()
        self._cancelled: dict[int, threading.Event] = {}

    def run(self) -> None:
        self.send(FrameKind.HELLO, 0, b'{"pid": %d, "device": "fake", "torch": "0"}' % os.getpid())
        while (frame := read_frame(sys.stdin.buffer)) is not None and frame.kind is not FrameKind.SHUTDOWN:
            if frame.kind is FrameKind.START:
                start = Start.decode(frame.payload)
                self._cancelled[frame.job] = threading.Event()
                words = pb.RenderRequest.FromString(start.request).source.embedding_id
                self.note(f"START {start.method} {'interactive ' * start.interactive}{words}")
                threading.Thread(target=self.do, args=(frame.job, words), daemon=True).start()
            elif frame.kind is FrameKind.CANCEL:
                self.note("CANCEL")
                self._cancelled[frame.job].set()
        os._exit(0)

    def do(self, job: int, words: str) -> None:
        try:
            for word in words.split():
                self.act(job, *word.split(":"))
        except LatentLayersError as error:
            self.send(FrameKind.ERROR, job, error_to_json(error))
        else:
            self.send(FrameKind.DONE, job)

    def act(self, job: int, verb: str, *values: str) -> None:
        numbers = [float(value) for value in values]
        match verb:
            case "steps":
                for step in range(int(numbers[0])):
                    self.event(job, pb.EditEvent(progress=pb.Progress(phase=pb.PHASE_EMBEDDING, step=step)))
                    self.pause(job, numbers[1])
            case "previews":
                preview = picture_pb2.Picture(encoded=bytes(int(numbers[1])))
                for step in range(int(numbers[0])):
                    self.event(job, pb.EditEvent(progress=pb.Progress(step=step, preview=preview)))
            case "images":
                picture = picture_pb2.Picture(encoded=bytes(int(numbers[1])))
                for index in range(int(numbers[0])):
                    self.event(job, pb.EditEvent(image=pb.Image(picture=picture, index=index)))
            case "wait":
                while not self._go.exists():
                    self.pause(job, 0.01)
            case "hang":
                time.sleep(3600)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                print("something is wrong", file=sys.stderr, flush=True)
                os._exit(int(numbers[0]))
            case "nonsense":
                with self._lock:
                    sys.stdout.buffer.write(b"\xff" * 100)
                    sys.stdout.buffer.flush()
            case "refuse":
                raise InvalidInput("WEIGHT_INVALID", "The weight is infinite.", "Use a finite one.")

    def pause(self, job: int, seconds: float) -> None:
        if self._cancelled[job].wait(seconds):
            raise Cancelled("CANCELLED", "Cancelled.", "Call again.")

    def event(self, job: int, event: pb.EditEvent) -> None:
        self.send(FrameKind.EVENT, job, event.SerializeToString())

    def send(self, kind: FrameKind, job: int, payload: bytes = b"") -> None:
        with self._lock:
            sys.stdout.buffer.write(Frame(kind, job, payload).encode())
            sys.stdout.buffer.flush()

    def note(self, line: str) -> None:
        with self._journal.open("a") as journal:
            journal.write(line + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    FakeWorker(parser.parse_args().home / "journal").run()
