"""`python -m tests.hub.web.pictures`: the pictures of the control tower in `hub/web/README.md`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

import hub.web
from hub.api.settings import ApiSettings
from tests.fixtures.chromium import CHROMIUM, FLAGS
from tests.fixtures.postgres import temporary_server
from tests.hub.api.conftest import serving
from tests.hub.web.busy_day import make_day, number

PAGES = {
    "tower": "/tower",
    "call": f"/tower/calls/SEAT1/{number(20)}/SEAT-FRONT/0",
    "car": f"/tower/cars/{number(41)}",
    "rack": "/tower/racks/TRIM1/TRIM1-00003",
    "shipment": "/tower/shipments/TRIM1/TR-0302",
    "exception": "/tower/exceptions/1",
    "line": "/tower/lines/SEAT1",
    "figures": "/tower/figures",
    "gateways": "/tower/gateways",
}
SIZES = {"board": (1920, 1080), "tablet": (1024, 768)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Photograph the control tower.")
    parser.add_argument("--out", type=Path, default=Path(hub.web.__path__[0]))
    parser.add_argument("--all", action="store_true", help="every page, size and language")
    chosen = parser.parse_args()
    wanted = [("tower", "board", "en"), ("tower", "tablet", "zh"), ("rack", "board", "en")]
    if chosen.all:
        wanted = [(p, s, lang) for p in PAGES for s in SIZES for lang in ("en", "zh")]
    with temporary_server() as server:
        database = server.create("pictures")
        supply = make_day(database, datetime.now(UTC))
        with (
            serving(database, ApiSettings()) as url,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
        ):
            for page, size, language in wanted:
                width, height = SIZES[size]
                opened = browser.new_page(viewport={"width": width, "height": height})
                opened.goto(f"{url}{PAGES[page]}?lang={language}")
                opened.wait_for_selector("[data-connection=live]")
                opened.wait_for_timeout(300)
                opened.screenshot(path=chosen.out / f"{page}-{size}-{language}.png")
                opened.close()
        supply.connection.close()


if __name__ == "__main__":
    main()
