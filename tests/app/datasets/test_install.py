"""The big built-in sets from small archives of the original form, served on loopback."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from app.datasets import builtin
from app.datasets.errors import DatasetError
from app.datasets.facts import UnknownDataset
from app.datasets.install import install
from app.datasets.installable import INSTALLABLE
from app.datasets.references import Catalog
from tests.app.conftest import Api
from tests.app.datasets import files
from worker.datasets.uploaded import load

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (7, 28, 28), dtype=np.uint8)
RECORDS = {name: GENERATOR.integers(0, 10, (2, 3073)).astype(np.uint8) for name in ("data_batch_2", "data_batch_1")}
RECORDS |= dict.fromkeys(("data_batch_3", "data_batch_4", "data_batch_5", "test_batch"), RECORDS["data_batch_1"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "archives"
    made.mkdir()
    return made


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def put(folder: Path, **contents: bytes) -> dict[str, str]:
    """Files, and their hashes by name."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def mnist(folder: Path, n: int = 5) -> dict[str, str]:
    labels = np.arange(7, dtype=np.uint8)
    return put(
        folder,
        **{
            "train-images-idx3-ubyte.gz": files.idx(PIXELS[:n], zipped=True),
            "train-labels-idx1-ubyte.gz": files.idx(labels[:n], zipped=True),
            "t10k-images-idx3-ubyte.gz": files.idx(PIXELS[5:], zipped=True),
            "t10k-labels-idx1-ubyte.gz": files.idx(labels[5:], zipped=True),
        },
    )


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def cifar10(folder: Path, **changed: bytes) -> dict[str, str]:
    members = {f"cifar-10-batches-bin/{name}.bin": data.tobytes() for name, data in RECORDS.items()}
    return put(folder, **{"cifar-10-binary.tar.gz": tar({**members, **changed, "../../evil": b"x"})})


def imdb(folder: Path) -> dict[str, str]:
    members = {
        "aclImdb/train/pos/10_9.txt": b"gut",
        "aclImdb/train/pos/9_8.txt": "schön".encode(),
        "aclImdb/train/neg/0_1.txt": b"bad",
        "aclImdb/train/unsup/0_0.txt": b"?",
        "aclImdb/train/urls_pos.txt": b"http",
        "aclImdb/test/neg/0_2.txt": b"worse",
        "aclImdb/test/pos/0_10.txt": b"best",
    }
    return put(folder, **{"aclImdb_v1.tar.gz": tar(members)})


def quiet(_: str) -> None:
    return


def test_the_table_is_that_of_the_names() -> None:
    assert set(INSTALLABLE) == set(builtin.INSTALLABLE)
    for known in INSTALLABLE.values():
        assert known.url.endswith("/") == (len(known.sha256) > 1)
        assert all(len(sha256) == 64 for sha256 in known.sha256.values())


@pytest.mark.parametrize("by_url", [False, True])
def test_mnist_from_its_four_files(api: Api, folder: Path, store: Path, url: str, by_url: bool) -> None:
    catalog = Catalog(api.project_id)
    with pytest.raises(UnknownDataset, match="descent datasets install mnist"):
        catalog.facts_of("mnist")
    hashes = mnist(folder)
    assert install("mnist", url if by_url else str(folder), hashes, quiet) == {"train": 5, "test": 2}
    facts = catalog.facts_of("mnist")
    assert (facts.samples, facts.shape, facts.dtype, facts.reference) == (5, (1, 28, 28), "uint8", "mnist")
    assert facts.parts == {"test": 2}
    parts = Catalog(api.project_id, "descent_worker").find("mnist")
    assert_array_equal(load(parts["train"], store).inputs, PIXELS[:5, None])
    assert_array_equal(load(parts["test"], store).targets, [5, 6])
    assert api.get("/v1/datasets").json()["data"] == []  # nobody's upload


def test_a_second_installation_replaces_the_first(api: Api, folder: Path, store: Path) -> None:
    install("mnist", str(folder), mnist(folder), quiet)
    assert install("mnist", str(folder), mnist(folder, n=4), quiet) == {"train": 4, "test": 2}
    assert Catalog(api.project_id).facts_of("mnist").samples == 4
    assert len(list((store / "blobs").rglob("*/*"))) == 4
    assert list((store / "uploads").iterdir()) == []


def test_cifar10_in_the_order_of_its_batches(api: Api, folder: Path, store: Path) -> None:
    hashes = cifar10(folder)
    assert install("cifar10", str(folder / "cifar-10-binary.tar.gz"), hashes, quiet) == {"train": 10, "test": 2}
    found = load(Catalog(api.project_id).find("cifar10")["train"], store)
    expected = np.concatenate([RECORDS["data_batch_1"], RECORDS["data_batch_2"]])
    assert_array_equal(found.inputs[:4], expected[:, 1:].reshape(4, 3, 32, 32))
    assert_array_equal(found.targets[:4], expected[:, 0])


def test_imdb_by_label_and_number(api: Api, folder: Path, store: Path, url: str) -> None:
    hashes = imdb(folder)
    assert install("imdb", url + "aclImdb_v1.tar.gz", hashes, quiet) == {"train": 3, "test": 2}
    found = load(Catalog(api.project_id).find("imdb")["train"], store)
    assert list(found.inputs) == ["bad", "schön", "gut"]
    assert_array_equal(found.targets, [0, 1, 1])


def test_what_is_not_the_original_is_refused(api: Api, folder: Path, store: Path, url: str) -> None:
    mnist(folder)
    with pytest.raises(DatasetError, match=r"has the SHA-256 .*, not 440fcabf73cc"):
        install("mnist", str(folder), {}, quiet)
    with pytest.raises(DatasetError, match=r"cannot be fetched: .*404"):
        install("imdb", url + "nothing.tar.gz", {}, quiet)
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        install("imdb", str(folder / "nothing"), {}, quiet)
    assert [path.name for path in store.rglob("*") if path.is_file()] in ([], ["installation.json"])


BROKEN = [b"", b"x" * 100, gzip.compress(b"x" * 1000), tar({"a": b"b"}), tar({})[:-5]]


@pytest.mark.parametrize("content", BROKEN, ids=["empty", "text", "gzip", "foreign", "cut"])
def test_broken_archives(api: Api, folder: Path, content: bytes) -> None:
    for name, file in (("imdb", "aclImdb_v1.tar.gz"), ("cifar10", "cifar-10-binary.tar.gz")):
        with pytest.raises(DatasetError):
            install(name, str(folder), put(folder, **{file: content}), quiet)


def test_records_of_another_length(api: Api, folder: Path) -> None:
    hashes = cifar10(folder, **{"cifar-10-batches-bin/test_batch.bin": os.urandom(3072)})
    with pytest.raises(DatasetError, match="records of 3073 bytes"):
        install("cifar10", str(folder), hashes, quiet)
