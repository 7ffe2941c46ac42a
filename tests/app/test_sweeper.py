"""When leases can be judged by: after a gap between two answers of the database, everybody gets one lease's time."""

import pytest

from app import sweeper


def test_after_a_gap_nobody_is_judged_for_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(sweeper.time, "monotonic", lambda: clock[0])
    contact = sweeper.Contact()

    def after(seconds: float) -> bool:
        clock[0] += seconds
        return contact.answered(60)

    assert after(0)
    assert after(29)  # no lease can have run out: the last beat was ten seconds before at the latest
    assert not after(31)
    assert [after(10) for _ in range(6)] == [False] * 5 + [True]
