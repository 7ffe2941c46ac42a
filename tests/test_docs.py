"""What the documents name is there."""

import re
from pathlib import Path

import pytest

from app.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    for name, setting in Settings.model_fields.items():
        row = re.search(rf"^\| `DESCENT_{name.upper()}` \| (.*?) \|", page, re.MULTILINE)
        assert row, f"DESCENT_{name.upper()} is missing"
        if not name.endswith("_url"):
            default = setting.default
            assert row[1] == (f"{default:g}" if isinstance(default, float) else str(default)), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\((?!http)([^)#]+)\)", text)]
    folders = r"(?:app|worker|descent|migrations|tests|examples|docs|benchmarks)/"
    paths = [ROOT / path for path in re.findall(rf"`({folders}[\w./-]*)`", text)]
    assert [str(path) for path in [*links, *paths] if not path.exists()] == []


def test_the_readme_names_every_verb_of_the_makefile() -> None:
    verbs = set(re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)", readme))
    assert named <= verbs
    assert {"demo", "test", "test-all", "check", "bench", "faults"} <= named
