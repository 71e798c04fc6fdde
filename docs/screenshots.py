"""Make docs/images: what a demonstration's pages look like, in Chromium.

    forewarn demo && python docs/screenshots.py [.forewarn-demo]

Each page is shown as it was known at the end of the story, at a desk's width and at a telephone's, and stored with few
colours, so that the repository stays small.
"""

import io
import json
import sys
from pathlib import Path

import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from data_contracts.records.overview.fleet_predictions import answering_models, newest_of_assets
from data_contracts.records.records import open_records
from data_contracts.workspace import open_workspace
from pipelines.demo.endpoint import endpoint
from tests.browser import NARROW, running_browser

IMAGES = Path(__file__).parent / "images"
DESK, _TALL, _COLOURS, _MOST_BYTES = 1400, 1750, 64, 150_000


def main(folder: Path) -> None:
    """Take a picture of each page."""
    engine, now = open_records(open_workspace(folder, {}).records_url), pd.Timestamp.now("UTC")
    model = answering_models(engine, until=now)[0]
    newest = newest_of_assets(engine, until=now).sort_values("probability")
    as_of = f"as_of={model.as_of:%Y-%m-%dT%H:%M}Z"
    machine = newest.loc[newest["alert"], "asset"].iloc[-1]
    shots = {
        "fleet": (f"/ui/fleet?{as_of}", DESK, "light"),
        "fleet-telephone": (f"/ui/fleet?{as_of}&alarm=open", NARROW, "dark"),
        "machine": (f"/ui/machines/{machine}?{as_of}&days=30", DESK, "light"),
    }
    IMAGES.mkdir(exist_ok=True)
    with endpoint(folder, model.name, folder / "screenshots.log") as running, running_browser() as browser:
        for name, (path, width, scheme) in shots.items():
            with browser.open(f"{running.url}{path}", width, scheme, ready="main h1") as opened:
                if name == "machine":  # with its charts
                    opened.page.set_viewport_size({"width": width, "height": _TALL})
                file = IMAGES / f"{name}.png"
                store(opened.page.screenshot(), file)
                said = {"image": file.name, "page": path, "bytes": file.stat().st_size}
                sys.stdout.write(f"{json.dumps(said)}\n")


def store(png: bytes, file: Path) -> None:
    """Store a picture with few colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)
    if file.stat().st_size > _MOST_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size:,} bytes; at most {_MOST_BYTES:,} are kept")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".forewarn-demo"))
