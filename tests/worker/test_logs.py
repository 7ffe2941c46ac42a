"""A trainer's stderr: everything while it is short, its beginning and its end when it is long."""

from worker.logs import HEAD_BYTES, TOTAL_BYTES, AttemptLog


def stored(log: AttemptLog, rounds: list[bytes]) -> dict[int, str]:
    """The pieces as the database holds them in the end."""
    pieces: dict[int, str] = {}
    for piece in rounds:
        log.add(piece)
        texts, dropped = log.take()
        pieces |= texts
        for number in dropped:
            del pieces[number]
    return dict(sorted(pieces.items()))


def test_a_short_log_is_kept_whole() -> None:
    assert (
        "".join(stored(AttemptLog(), [b"one\n", b"two\0\n", b"\xff\n"]).values())
        == "one\ntwo\n\N{REPLACEMENT CHARACTER}\n"
    )


def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    lines = [b"%09d\n" % number * 1000 for number in range(400)]  # 4 MB
    text = "".join(stored(AttemptLog(), lines).values())
    assert len(text) <= TOTAL_BYTES + 100
    assert text.startswith("000000000\n" * 1000)
    assert text.endswith("000000399\n" * 1000)
    head, _, rest = text.partition("\n[… ")
    left_out, _, tail = rest.partition(" bytes left out here …]\n")
    assert len(head) >= HEAD_BYTES
    assert len(head) + int(left_out) + len(tail) == 4_000_000


def test_a_flood_between_two_groups_is_cut_as_well() -> None:
    log = AttemptLog()
    for _ in range(100):
        log.add(b"x" * 65_536)
    assert log.waiting <= 2 * TOTAL_BYTES
    assert "left out" in "".join(stored(log, [b"end"]).values())
