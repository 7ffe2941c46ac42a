"""The dashboard as a visitor sees it."""

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.app.conftest import Api
from tests.browser.chromium import Browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> & <b>bold</b>"
Action = Callable[..., Any]


@pytest.fixture(autouse=True)
def fresh(browser: Browser, address: str) -> Iterator[None]:
    """A console without complaints after each test; the page is left before the service goes."""
    browser.open("about:blank")
    browser.device(1280, 900)
    browser.complaints()
    yield
    found = browser.complaints()
    browser.open("about:blank")
    assert found == []


def visit(browser: Browser, address: str, api: Api, rest: str = "") -> None:
    browser.open(f"{address}/")
    browser.run("sessionStorage.clear()")
    browser.open("about:blank")
    browser.open(f"{address}/#key={api.key}{rest}")


def names(browser: Browser) -> list[str]:
    found = browser.run("return [...document.querySelectorAll('.job .name')].map(e => e.firstChild.textContent)")
    return [str(name) for name in found]


def test_the_key_leaves_the_address_and_no_log_has_it(
    browser: Browser, address: str, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        api.submit()
        visit(browser, address, api)
        browser.wait(lambda: browser.count(".job") == 1)
    assert browser.run("return location.href") == f"{address}/"
    assert browser.run("return sessionStorage.getItem('descent.key')") == api.key
    assert browser.run("return [localStorage.length, document.cookie]") == [0, ""]
    assert api.key not in caplog.text
    browser.open(f"{address}/")  # the tab keeps it
    browser.wait(lambda: browser.count(".job") == 1)


def test_without_a_key_it_asks_for_one_and_says_what_is_wrong_with_a_bad_one(
    browser: Browser, address: str, api: Api
) -> None:
    browser.open(f"{address}/")
    browser.run("sessionStorage.clear()")
    browser.open("about:blank")
    browser.open(f"{address}/")
    browser.wait(lambda: browser.count("form.ask"))
    browser.type("form.ask input", "dsk_wrong")
    browser.click("form.ask button")
    browser.wait(lambda: "unknown, expired or revoked" in browser.text(".problem"))
    browser.type("form.ask input", api.key)
    browser.click("form.ask button")
    browser.wait(lambda: "No jobs yet" in browser.text())
    browser.click("#leave")
    browser.wait(lambda: browser.count("form.ask"))
    assert browser.run("return sessionStorage.length") == 0
    complaints = browser.complaints()  # the browser itself notes the refused request
    assert len(complaints) == 1
    assert "401" in complaints[0]


def test_the_list_follows_what_happens(
    browser: Browser, address: str, api: Api, run_job: Action, add_epoch: Action, end_job: Action
) -> None:
    first = api.submit(name="first")
    visit(browser, address, api)
    browser.wait(lambda: names(browser) == ["first"])
    browser.wait(lambda: "queued" in browser.text(".job"))
    api.submit(name=HOSTILE)
    browser.wait(lambda: names(browser) == [HOSTILE, "first"])
    run_job(first["id"])
    for epoch in range(1, 5):
        add_epoch(first["id"], epoch, train_loss=1 / epoch)
    row = f".job[data-id={first['id']}]"
    browser.wait(lambda: "0.25" in browser.text(f"{row} .numbers"))
    browser.wait(lambda: "4 / 4 epochs" in browser.text(row))
    browser.wait(lambda: browser.run("return document.querySelector(arguments[0]).getAttribute('d')", f"{row} .c0"))
    browser.click(f"{row} input")
    browser.wait(lambda: "first 0.25" in browser.text(".legend"))
    end_job(first["id"])
    browser.wait(lambda: "succeeded" in browser.text(row))
    assert browser.run("return document.title") == "Descent"


def test_a_job_is_drawn_while_it_runs(
    browser: Browser, address: str, api: Api, run_job: Action, add_epoch: Action, end_job: Action
) -> None:
    job = api.submit(name=HOSTILE)
    visit(browser, address, api, f"&job={job['id']}")
    browser.wait(lambda: HOSTILE in browser.text("h1"))
    browser.wait(lambda: "Waits: no worker." in browser.text(".note"))
    run_job(job["id"])
    add_epoch(job["id"], 1, train_loss=2.0, learning_rates=[0.02, 0.002])
    add_epoch(job["id"], 2, train_loss=math.nan, learning_rates=[0.01, 0.001])
    add_epoch(job["id"], 3, train_loss=0.5, learning_rates=[0.005, 0.0005], attempt=2)
    browser.wait(lambda: "train 0.5" in browser.text(".charts"))
    for shown in ("validation 0.3", "group 0 0.005", "group 1 5e-4"):
        browser.wait(lambda shown=shown: shown in browser.text(".charts"))
    curve = str(browser.run("return document.querySelector('.chart .c0').getAttribute('d')"))
    assert curve.count("M") == 2  # the loss that is not a number is a gap
    browser.wait(lambda: browser.count(".mark") >= 1)
    browser.wait(lambda: "started" in browser.text(".events"))
    end_job(job["id"], "failed")
    browser.wait(lambda: browser.text(".head .badge") == "failed")
    browser.wait(lambda: browser.text("[data-move=resume]") == "Resume")


def test_buttons_move_a_job(browser: Browser, address: str, api: Api) -> None:
    job = api.submit()
    visit(browser, address, api, f"&job={job['id']}")
    browser.wait(lambda: browser.count("[data-move=pause]"))
    browser.click("[data-move=pause]")
    browser.wait(lambda: browser.text(".head .badge") == "paused")
    browser.click("[data-move=resume]")
    browser.wait(lambda: browser.text(".head .badge") == "queued")
    browser.click("[data-move=cancel]")
    browser.wait(lambda: browser.text("[data-move=cancel]") != "Cancel")
    assert api.get(f"/v1/jobs/{job['id']}").json()["status"] == "queued"  # it asks once more
    browser.click("[data-move=cancel]")
    browser.wait(lambda: browser.text(".head .badge") == "cancelled")
    assert api.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"


def test_a_token_opens_its_job_and_nothing_else(browser: Browser, address: str, api: Api) -> None:
    job, other = api.submit(name="shown"), api.submit(name="hidden")
    token = api.post("/v1/tokens", json={"jobs": [job["id"]]}).json()["secret"]
    reader = Api(api.client, token, api.project_id)
    visit(browser, address, reader, f"&job={job['id']}")
    browser.wait(lambda: "shown" in browser.text("h1"))
    assert browser.count("[data-move]") == 0
    browser.open(f"{address}/#/jobs/{other['id']}")
    browser.wait(lambda: "opens nothing of this id" in browser.text(".problem"))
    assert all("403" in line or "404" in line for line in browser.complaints())


def test_a_reader_has_no_buttons(browser: Browser, address: str, make_api: Callable[..., Api]) -> None:
    job = make_api().submit(name="mine")
    visit(browser, address, make_api(scopes=("read",)), f"&job={job['id']}")
    browser.wait(lambda: "mine" in browser.text("h1"))
    assert browser.count("[data-move]") == 0


@pytest.mark.parametrize("size", [(360, 640), (1440, 900)])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_phones_and_screens_by_day_and_night(
    browser: Browser, address: str, api: Api, run_job: Action, add_epoch: Action, size: tuple[int, int], dark: bool
) -> None:
    job = api.submit(name="a-very-long-name-without-a-single-place-to-break-" * 3)
    run_job(job["id"])
    for epoch in (1, 2):
        add_epoch(job["id"], epoch)
    browser.device(*size, dark=dark)
    visit(browser, address, api)
    browser.wait(lambda: browser.count(".job"))
    browser.click(".job input")
    fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert browser.run(fits)
    page = browser.run("return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert (max(page) < 60) == dark
    browser.open(f"{address}/#/jobs/{job['id']}")
    browser.wait(lambda: browser.count(".facts dt"))
    assert browser.run(fits)
