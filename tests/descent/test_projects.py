"""A class of sixty, out of a table."""

import csv
import io
import stat
from pathlib import Path

import pytest

from descent import Client
from descent.errors import NotFound
from tests.descent.conftest import SPEC, Address
from tests.descent.test_cli import answer, descent


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_class_of_sixty_gets_projects_keys_and_links(client: Client, address: Address, tmp_path: Path) -> None:
    students = [(f"Ünal, {number}", f"s{number}@school.example") for number in range(60)]
    table = tmp_path / "class.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("name", "mail"), *students])
    out = tmp_path / "keys.csv"
    made = descent("projects", "create", "--csv", str(table), "--quota", "jobs=2", "--out", str(out))
    assert made.exit_code == 0, made.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(out.open()))
    assert [(row["name"], row["mail"]) for row in rows] == students
    assert len({row["project_id"] for row in rows}) == len({row["key"] for row in rows}) == 60
    assert all(row["link"] == f"{address.url}/#key={row['key']}" for row in rows)
    assert len(answer("projects", "list")) == 61
    first, second = (Client(address.url, row["key"]) for row in rows[:2])
    job = first.submit(SPEC)
    assert (first.me()["scopes"], first.project(rows[0]["project_id"])["quotas"]) == (["read", "write"], {"jobs": 2})
    with pytest.raises(NotFound):
        second.job(job["id"])
    for opened in (first, second):
        opened.close()


def test_a_run_that_was_cut_off_is_repeated(client: Client, tmp_path: Path) -> None:
    client.create_project("a")
    again = descent("projects", "create", "--csv", write(tmp_path / "t.csv", "name\na\nb\n"))
    assert again.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(again.stdout)))
    assert [row["name"] for row in rows] == ["b"]
    assert "a is there already" in again.stderr
    assert descent("projects", "create", "c", "--scopes", "read").stdout.startswith("name,project_id,key,link\nc,prj_")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("mail\nx\n", "needs a column `name`"),
        ("name,key\na,b\n", "none of project_id, key, link"),
        ("name\na\n\n \n", "line 3: it has no name"),
        ("name\na\na\n", "line 3: the name 'a' stands twice"),
        ("name\na,b\n", "line 2: it has more cells"),
        ("name\n", "has no lines"),
    ],
)
def test_nothing_is_made_of_a_wrong_table(client: Client, tmp_path: Path, table: str, said: str) -> None:
    result = descent("projects", "create", "--csv", write(tmp_path / "t.csv", table))
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert [project["name"] for project in client.projects()] == ["default"]
