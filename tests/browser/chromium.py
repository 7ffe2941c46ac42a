"""A headless Chromium, driven by Debian's chromedriver over the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_SECONDS = 60.0


def missing() -> str | None:
    """What this machine lacks."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(lacking)} on the PATH (Debian: chromium, chromium-driver)" if lacking else None


class Browser:
    """One session. Raises httpx.HTTPStatusError for what the page does not have."""

    def __init__(self, driver: httpx.Client, session: str) -> None:
        self.driver, self.session = driver, session

    def command(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.driver.request(method, f"/session/{self.session}{path}", json=body if method == "POST" else None)
        reply.raise_for_status()
        return reply.json()["value"]

    def open(self, url: str) -> None:
        self.command("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a function body in the page."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str = "body") -> str:
        found = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return str(found)

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def click(self, selector: str) -> None:
        """A real click: it fails where something lies over the element."""
        element = self.command("POST", "/element", {"using": "css selector", "value": selector})
        self.command("POST", f"/element/{next(iter(element.values()))}/click", {})

    def type(self, selector: str, text: str) -> None:
        element = self.command("POST", "/element", {"using": "css selector", "value": selector})
        self.command("POST", f"/element/{next(iter(element.values()))}/value", {"text": text})

    def wait(self, what: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """The first value that is true. Raises AssertionError with the page's text."""
        deadline = time.monotonic() + seconds
        while not (value := what()):
            assert time.monotonic() < deadline, f"not in {seconds:.0f} s; the page says: {self.text()[:2000]}"
            time.sleep(0.05)
        return value

    def device(self, width: int, height: int, *, dark: bool = False) -> None:
        """A screen of this size in CSS pixels, with the visitor's taste for light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.devtools("Emulation.setDeviceMetricsOverride", size)
        self.devtools("Emulation.setEmulatedMedia", {"features": scheme})

    def devtools(self, name: str, parameters: dict[str, Any]) -> Any:
        return self.command("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def screenshot(self, path: Path) -> None:
        found = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(found["data"]))

    def complaints(self) -> list[str]:
        """What the console was told since the last look: scripts that fail, refused by the policy, files not found."""
        log = self.command("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium with a profile of its own; both processes are gone afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="descent-browser-", ignore_cleanup_errors=True) as profile:
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        process = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as driver:
                wait_for(driver)
                reply = driver.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
                assert reply.is_success, reply.text
                opened = Browser(driver, reply.json()["value"]["sessionId"])
                try:
                    yield opened
                finally:
                    opened.command("DELETE", "")
        finally:
            process.terminate()
            process.wait(10)


def wait_for(driver: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            driver.get("/status").raise_for_status()
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "chromedriver does not start"
            time.sleep(0.05)
