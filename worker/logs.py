"""What a trainer writes to stderr, in pieces of at most 1 MiB together: the beginning stays, the middle gives way."""

HEAD_BYTES = 64 * 1024
TOTAL_BYTES = 1024 * 1024
PIECE_BYTES = 64 * 1024


class AttemptLog:
    """Pieces are numbered; the one after the head says how much was left out, when something was."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._next = 0
        self._head_bytes = 0
        self._notice: int | None = None
        """The number kept free for the notice, once the head is full."""
        self._tail: dict[int, int] = {}
        """Bytes by piece."""
        self._left_out = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, piece: bytes) -> None:
        self._waiting += piece
        excess = len(self._waiting) - 2 * TOTAL_BYTES
        if excess > 0:  # nobody reads: the head of the log is long written or about to be
            del self._waiting[HEAD_BYTES : HEAD_BYTES + excess]
            self._left_out += excess

    def take(self) -> tuple[dict[int, str], list[int]]:
        """The pieces to write, and the numbers of those that go."""
        pieces: dict[int, bytes] = {}
        waiting, self._waiting = bytes(self._waiting), bytearray()
        for start in range(0, len(waiting), PIECE_BYTES):
            piece = waiting[start : start + PIECE_BYTES]
            if self._head_bytes < HEAD_BYTES:
                self._head_bytes += len(piece)
            else:
                if self._notice is None:
                    self._notice, self._next = self._next, self._next + 1
                self._tail[self._next] = len(piece)
            pieces[self._next] = piece
            self._next += 1
        dropped = self._drop()
        written = {number: piece for number, piece in pieces.items() if number not in dropped}
        texts = {number: piece.decode(errors="replace").replace("\0", "") for number, piece in written.items()}
        if self._left_out and self._notice is not None and pieces:
            texts[self._notice] = f"\n[… {self._left_out} bytes left out here …]\n"
        return texts, [number for number in dropped if number not in pieces]

    def _drop(self) -> list[int]:
        dropped = []
        total = self._head_bytes + sum(self._tail.values())
        for number, size in list(self._tail.items()):
            if total <= TOTAL_BYTES:
                break
            total -= size
            self._left_out += size
            del self._tail[number]
            dropped.append(number)
        return dropped
