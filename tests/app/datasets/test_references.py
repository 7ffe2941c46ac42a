"""What a spec's names mean, in the project of whoever asks."""

from collections.abc import Callable
from typing import Any

import pytest

from app.datasets.errors import DatasetError
from app.datasets.facts import UnknownDataset
from app.datasets.references import Catalog
from tests.app.conftest import Api
from tests.app.datasets import files
from tests.app.datasets.test_endpoints import upload


@pytest.fixture
def versions(api: Api) -> list[dict[str, Any]]:
    return [upload(api, files.IRIS + "1,2,x\n" * n, target="species").json() for n in range(3)]


@pytest.mark.parametrize("role", ["descent_api", "descent_worker"])
def test_ids_and_versions(api: Api, versions: list[dict[str, Any]], role: Any) -> None:
    catalog = Catalog(api.project_id, role)
    for reference, version in (("iris@2", 2), ("iris@latest", 3), (versions[0]["id"], 1)):
        facts = catalog.facts_of(reference)
        assert (facts.reference, facts.samples) == (versions[version - 1]["id"], 2 + version)
    facts = catalog.facts_of("iris@3")
    assert (facts.shape, facts.dtype, facts.classes, facts.class_counts) == ((2,), "float64", 3, (2, 1, 2))
    assert catalog.facts_of("iris").reference == "iris"  # the built-in one


@pytest.mark.parametrize("role", ["descent_api", "descent_worker"])
def test_what_is_not_the_projects_is_unknown(
    api: Api, make_api: Callable[..., Api], versions: list[dict[str, Any]], role: Any
) -> None:
    other = Catalog(make_api("two").project_id, role)
    for reference in (versions[0]["id"], "iris@1", "iris@latest"):
        with pytest.raises(UnknownDataset):
            other.facts_of(reference)
    mine = Catalog(api.project_id, role)
    for reference in ("iris@9", "iris@0", "iris@", "flowers@latest", "ds_" + "0" * 26, "../x", "iris@1@2", "a\0@1"):
        with pytest.raises(UnknownDataset, match="there is no data set"):
            mine.facts_of(reference)
    with pytest.raises(UnknownDataset, match=r"there is iris@latest \(iris@3\)"):
        mine.facts_of("iris@9")
    with pytest.raises(UnknownDataset, match="descent datasets install mnist"):
        mine.facts_of("mnist")


def test_the_latest_stays_the_same_for_one_catalog(api: Api, versions: list[dict[str, Any]]) -> None:
    catalog = Catalog(api.project_id)
    before = catalog.facts_of("iris@latest")
    upload(api, files.IRIS, target="species")
    assert catalog.facts_of("iris@latest") == before
    assert Catalog(api.project_id).facts_of("iris@latest") != before


def test_columns_change_the_facts(api: Api, versions: list[dict[str, Any]]) -> None:
    catalog = Catalog(api.project_id)
    facts = catalog.facts_of("iris@2", {"inputs": ["species", "width"], "target": "length"})
    assert (facts.shape, facts.classes, facts.target_width) == ((2,), None, 1)
    assert (facts.columns, facts.missing) == (("species", "width"), ("width",))
    assert facts.categories == {"species": ("setosa", "virginica", "x")}
    with pytest.raises(DatasetError, match="iris has no named columns"):
        catalog.facts_of("iris", {"target": "y"})
    with pytest.raises(DatasetError) as caught:
        catalog.facts_of("iris@2", {"inputs": ["width", "height"]})
    assert caught.value.pointer == "/inputs/1"
