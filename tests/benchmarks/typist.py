"""Who enters parts at a station's page: one form after the other, each after the answer to the one
before, in a thread beside the benchmark."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

from deploy.local.ports import LOOPBACK, wait_listening

STATION = "hand"
_TOKEN = re.compile(r'data-token="([^"]*)"')


@contextmanager
def entering(port: int, every_s: float) -> Iterator[None]:
    """Enter a part so often at whatever comes to listen on that port."""
    stopping = threading.Event()
    typist = threading.Thread(target=_enter, args=(port, every_s, stopping))
    typist.start()
    try:
        yield
    finally:
        stopping.set()
        typist.join()


def _enter(port: int, every_s: float, stopping: threading.Event) -> None:
    wait_listening(port, lambda: not stopping.is_set(), 60)
    page = HTTPConnection(LOOPBACK, port, timeout=60)
    cookie, _ = _ask(page, "POST", "/sign-in", {"name": "Li Na"})
    _, html = _ask(page, "GET", f"/entry/{STATION}", cookie=cookie)
    token = next(iter(_TOKEN.findall(html)), "")
    due = time.monotonic()
    for n in itertools.count():
        if stopping.wait(max(0.0, due - time.monotonic())):
            break
        part = {"ticket": f"bench-{n:016}", "serial": f"S{n:07}", "value-0": "0.5", "value-1": "ok"}
        try:
            _ask(page, "POST", "/record", {"station": STATION, "token": token, **part}, cookie)
        except (OSError, HTTPException):
            break  # whoever took them has ended
        due = max(due + every_s, time.monotonic())
    page.close()


def _ask(
    page: HTTPConnection,
    method: str,
    path: str,
    form: dict[str, str] | None = None,
    cookie: str = "",
) -> tuple[str, str]:
    """The cookie that is set by the answer, if any, and its text."""
    headers = {"Origin": f"http://{page.host}:{page.port}", "Cookie": cookie}
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    page.request(method, path, urlencode(form or {}), headers)
    answer = page.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text}")
    return (answer.getheader("Set-Cookie") or "").partition(";")[0], text
