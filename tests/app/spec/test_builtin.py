import pytest
from sklearn import datasets

from app.datasets.builtin import BUILTIN, builtin_facts
from app.datasets.facts import UnknownDataset


@pytest.mark.parametrize("name", BUILTIN)
def test_facts_are_those_of_the_data(name: str) -> None:
    loaded = getattr(datasets, f"load_{name}")()
    facts = builtin_facts(name)
    assert facts.samples == len(loaded.data)
    assert facts.shape == ((1, 8, 8) if name == "digits" else loaded.data.shape[1:])
    if name == "diabetes":
        assert facts.classes is None
        assert facts.target_width == 1
    else:
        assert facts.classes == len(loaded.target_names)
        assert facts.class_counts == tuple((loaded.target == c).sum() for c in range(facts.classes))


def test_what_must_be_installed_first_says_so() -> None:
    with pytest.raises(UnknownDataset, match="descent datasets install mnist"):
        builtin_facts("mnist")
