"""One run of the demo: embeds, edits, and collects pictures and figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from latentlayers.client import Client, EditResult, EmbeddingInfo, EmbedResult, Latent, PictureSource, SourceLike
from latentlayers.demo.page import Report, Section, write_page
from latentlayers.demo.sheets import embedding_row, strip
from latentlayers.demo.sources import expression_pair, invented_people, photos
from latentlayers.errors import LatentLayersError
from latentlayers.imaging import Tile, contact_sheet, encode_png
from latentlayers.library import ModelStore
from latentlayers.paths import Paths

MORPH_FRAMES = 7
EXPRESSION_STRENGTHS = (-0.5, -0.25, 0.0, 0.25, 0.5)
STYLE_ROWS = "fine"
DIRECTION_STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)
DIRECTIONS = ("smile", "age", "turn", "pca-1")
INVENTED_SEEDS = (28, 13)
TILE = 144


class Demo:
    """Embeds the photographs and edits them, through the daemon of `LATENTLAYERS_HOME`.

    Args:
        folder: where the results go; exists.
        scratch: for files that nobody needs afterwards.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder, self._scratch = folder, scratch
        self._report = Report()
        self._sections: list[Section] = []
        self._began = time.monotonic()
        self._photos = photos()

    def run(self) -> None:
        """All of it, with a line printed for each step. Raises the typed errors of the client."""
        with Client() as client:
            self._log(f"the daemon answers at {client.address}")
            self._report.daemon["answered_after_seconds"] = round(time.monotonic() - self._began, 2)
            try:
                self._edit_photographs(client)
                self._describe_daemon(client)
            finally:
                with suppress(LatentLayersError):
                    client.stop()
        self._report.write(self._folder)
        write_page(self._folder, self._sections, self._report)
        self._log(f"done; open {self._folder / 'index.html'}")

    def _edit_photographs(self, client: Client) -> None:
        model = ModelStore(Paths.default()).default()
        someone, model_for_expression = invented_people(model.path, model.digest, INVENTED_SEEDS)
        embedded = [self._embed(client, photo.source, photo.path.name) for photo in self._photos]
        self._sheet(
            "embed.png",
            "Embed",
            "Each photograph, with the frame that was selected by hand; what lies in the frame, at the model's "
            f"{model.resolution} px; what the model makes of its latent code; and the difference.",
            [
                embedding_row(photo, result.reconstruction, f"PSNR {result.embedding.psnr:.1f} dB")
                for photo, result in zip(self._photos, embedded, strict=True)
                if result.reconstruction is not None
            ],
        )
        names = [photo.person for photo in self._photos]
        first, second = (result.embedding.id for result in embedded[:2])
        self._morphs(client, first, [(second, names[1]), (someone, "an invented person")], names[0])
        self._crossover_grid(client, [first, second, someone], [*names, "invented"])
        self._expression_strip(client, model_for_expression, first, names[0])
        self._direction_strips(client, first, names[0])

    def _morphs(self, client: Client, start: SourceLike, ends: Sequence[tuple[SourceLike, str]], name: str) -> None:
        rows = []
        for end, _ in ends:
            morph = self._edit("morph", partial(client.morph, start, end, frames=MORPH_FRAMES))
            rows.append(strip(morph, [f"lambda {image.weight:.2f}" for image in morph.images]))
        self._sheet(
            "morph.png",
            f"Morph: {name} to {ends[0][1]}, and to {ends[1][1]}",
            "w = lambda*w1 + (1-lambda)*w2 in seven steps.",
            rows,
        )

    def _crossover_grid(self, client: Client, codes: Sequence[SourceLike], names: Sequence[str]) -> None:
        plain = [strip(client.render(code), [""])[0].picture for code in codes]
        rows = [[Tile(None), *(Tile(p, f"style: {n}") for p, n in zip(plain, names, strict=True))]]
        for code, picture, name in zip(codes, plain, names, strict=True):
            crossed = [
                self._edit("crossover", partial(client.crossover, code, style, rows=STYLE_ROWS)) for style in codes
            ]
            rows.append([Tile(picture, f"content: {name}"), *(strip(result, [""])[0] for result in crossed)])
        self._sheet(
            "crossover.png",
            "Crossover",
            "The coarse and middle rows of w+ from the content, the fine ones (colour, light, texture) from the style.",
            rows,
        )

    def _expression_strip(self, client: Client, person: Latent, target: str, name: str) -> None:
        neutral, expressive = expression_pair(client, person, self._scratch)
        # As pictures in one call: the second is then embedded from the first, which keeps their difference clean.
        moved = self._edit(
            "expression",
            partial(client.transfer_expression, target, neutral, expressive, strengths=EXPRESSION_STRENGTHS),
        )
        given = []
        for role in ("neutral", "expressive"):
            found = moved.embeddings[role]
            self._report_embedding(found, found.name)
            given.append(strip(client.render(found.id), [f"embedded: {role}"])[0])
        self._sheet(
            "expression.png",
            f"Expression: less and more of a smile for {name}",
            "w = w1 + lambda*(w3 - w2). w2 and w3 are embeddings of two pictures of an invented person, without and "
            "with a smile: no pair of photographs that may be redistributed was at hand.",
            [[*given, *strip(moved, [f"lambda {strength:g}" for strength in EXPRESSION_STRENGTHS])]],
        )

    def _direction_strips(self, client: Client, code: str, name: str) -> None:
        rows = []
        for direction in DIRECTIONS:
            apply = partial(client.apply_direction, code, direction, DIRECTION_STRENGTHS)
            moved = self._edit("directions", apply)
            rows.append(strip(moved, [f"{strength:+g}" for strength in DIRECTION_STRENGTHS]))
        self._sheet(
            "directions.png",
            f"Directions: {name}",
            "Three labelled directions and one that was found without labels; strength 0 is the embedding itself.",
            rows,
            DIRECTIONS,
        )

    def _embed(self, client: Client, source: PictureSource, name: str) -> EmbedResult:
        self._log(f"embedding {name} …")
        result = client.embed(source)
        self._report_embedding(result.embedding, name)
        return result

    def _report_embedding(self, found: EmbeddingInfo, name: str) -> None:
        self._report.embeddings.append(
            {
                "source": name,
                "psnr": round(found.psnr, 2),
                "perceptual": round(found.perceptual, 4),
                "seconds": round(found.seconds, 2),
                "steps": found.steps,
                "likeness": found.likeness,
            }
        )
        self._log(
            f"{name}: {found.psnr:.1f} dB after {found.steps} steps in {found.seconds:.1f} s. {found.likeness_text}"
        )

    def _edit(self, operation: str, call: Callable[[], EditResult]) -> EditResult:
        began = time.monotonic()
        result = call()
        pictures, seconds = len(result.images), time.monotonic() - began
        total = self._report.operations.setdefault(operation, {"calls": 0, "pictures": 0, "seconds": 0.0})
        total["calls"] += 1
        total["pictures"] += pictures
        total["seconds"] = round(total["seconds"] + seconds, 3)
        self._log(f"{operation}: {pictures} picture{'s' * (pictures > 1)} in {seconds:.2f} s")
        return result

    def _sheet(
        self, file: str, title: str, text: str, rows: Sequence[Sequence[Tile]], labels: Sequence[str] = ()
    ) -> None:
        picture = contact_sheet(rows, title=title, labels=labels, side=TILE)
        (self._folder / file).write_bytes(encode_png(picture))
        self._sections.append(Section(file, title, text))

    def _describe_daemon(self, client: Client) -> None:
        status = client.status()
        self._report.daemon |= {
            "version": status.version,
            "device": status.device,
            "torch": status.torch_version,
            "models": list(status.loaded_models),
            "front_megabytes": round(status.front_memory_bytes / 1e6, 1),
            "worker_megabytes": round(status.worker_memory_bytes / 1e6, 1),
            "demo_seconds": round(time.monotonic() - self._began, 1),
        }

    def _log(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)
