"""Published data sets: where they are sought, and what a server may do wrong."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import time

import numpy as np
import platformdirs
import pytest

from paramjax import data
from paramjax.data import _download, _published
from paramjax.data._sources import Published, Source

TEXT = b"to be or not to be\n" * 50


class Server(http.server.ThreadingHTTPServer):
    """Serves `answers`: path -> (status, promised length, bytes)."""

    def __init__(self):
        self.answers, self.asked = {}, []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        status, length, content = self.server.answers.get(self.path, (404, 0, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)
        if content == b"":
            time.sleep(self.path == "/silent/input.txt")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no other places, and downloads allowed."""
    for name in ("PARAMJAX_DATA", "PARAMJAX_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: tmp_path / "c")
    return tmp_path / "c" / "data"


def source_of(address, content=TEXT, **changes):
    part = Published("input.txt", (hashlib.sha256(content).hexdigest(),), len(content))
    return Source("Hamlet", "hamlet", (part,), (address,), "public domain", **changes)


@pytest.fixture
def hamlet(server, cache, monkeypatch):
    """Tiny Shakespeare, made tinier, and published by the local server."""
    server.answers["/input.txt"] = (200, len(TEXT), TEXT)
    monkeypatch.setattr(_published, "TINY_SHAKESPEARE", source_of(server.address))
    return server


def test_a_download_is_kept_and_asked_for_once(hamlet, cache):
    assert data.tiny_shakespeare() == TEXT.decode()
    assert data.tiny_shakespeare() == TEXT.decode()
    assert hamlet.asked == ["/input.txt"]
    assert [path.name for path in (cache / "hamlet").iterdir()] == ["input.txt"]


def test_folder_comes_before_the_variable_and_this_before_the_cache(hamlet, tmp_path, monkeypatch):
    named, root = tmp_path / "named", tmp_path / "root"
    (root / "hamlet").mkdir(parents=True)
    named.mkdir()
    (root / "hamlet" / "input.txt.gz").write_bytes(gzip.compress(TEXT))
    monkeypatch.setenv("PARAMJAX_DATA", str(root))
    assert data.tiny_shakespeare(named) == TEXT.decode()
    assert hamlet.asked == []
    (named / "input.txt").write_bytes(b"another text")
    with pytest.raises(ValueError, match=r"(?s)named/input.txt: damaged, or another file .*sha256"):
        data.tiny_shakespeare(named)
    with pytest.raises(data.DataNotFoundError, match="expected a folder that exists"):
        data.tiny_shakespeare(tmp_path / "typo")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            (404, 0, b""),
            data.DataNotFoundError,
            r"(?s)failed\n.*  failed .*Not Found\n  sou",
        ),
        ((200, 900, TEXT[:100]), data.DataNotFoundError, "ended after 100 of 900 bytes"),
        ((200, 2, b"no"), ValueError, r"expected input.txt of sha256 \w+\n  got 2 bytes of"),
        ((200, 2**22, bytes(2**22)), data.DataNotFoundError, "sends more than"),
    ],
)
def test_what_is_not_whole_is_not_kept(hamlet, cache, answer, error, message):
    hamlet.answers["/input.txt"] = answer
    with pytest.raises(error, match=message):
        data.tiny_shakespeare()
    assert not list(cache.rglob("*.*"))
    hamlet.answers["/input.txt"] = (200, len(TEXT), TEXT)
    assert data.tiny_shakespeare() == TEXT.decode()


def test_the_next_address_is_tried_and_a_silent_server_is_left(hamlet, cache, monkeypatch):
    monkeypatch.setattr(_download, "TIMEOUT", 0.1)
    hamlet.answers["/silent/input.txt"] = (200, 10, b"")
    source = source_of("unused")._replace(addresses=(f"{hamlet.address}/silent", hamlet.address))
    monkeypatch.setattr(_published, "TINY_SHAKESPEARE", source)
    assert data.tiny_shakespeare() == TEXT.decode()
    assert hamlet.asked == ["/silent/input.txt", "/input.txt"]


def test_offline_the_error_says_what_belongs_where(hamlet, cache, monkeypatch):
    monkeypatch.setenv("PARAMJAX_OFFLINE", "1")
    with pytest.raises(FileNotFoundError) as caught:
        data.tiny_shakespeare()
    for part in ("Hamlet", "input.txt", str(cache), hamlet.address, "public domain", "OFFLINE"):
        assert part in str(caught.value)
    assert len(str(caught.value).splitlines()) == 6
    assert hamlet.asked == []


def test_a_cache_that_cannot_be_written_is_named(hamlet, cache):
    cache.parent.mkdir()
    cache.write_text("a file in the way")
    with pytest.raises(OSError, match="the cache of data sets: .*cannot be written"):
        data.tiny_shakespeare()


def test_members_of_a_tar_file(server, cache, monkeypatch):
    """Sentences in both encodings, out of the archive that is published."""
    texts = [("rt-polarity.neg", "naïve — no . \n\n dull \n"), ("rt-polarity.pos", "fine…\n")]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, text in texts:
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = len(text.encode("cp1252"))
            tar.addfile(member, io.BytesIO(text.encode("cp1252")))
    packed = file.getvalue()
    server.answers["/two.tar.gz"] = (200, len(packed), packed)
    parts = tuple(Published(name, ("",), 99) for name, _ in texts)
    archive = Published("two.tar.gz", (hashlib.sha256(packed).hexdigest(),), len(packed))
    source = source_of(server.address, archive=archive)._replace(files=parts)
    monkeypatch.setattr(_published, "MOVIE_SENTENCES", source)
    for _ in range(2):
        sentences, labels = data.movie_sentences()
        assert sentences == ["naïve — no .", "dull", "fine…"]
        assert labels.tolist() == [0, 0, 1]
    assert server.asked == ["/two.tar.gz"]


def write_images(folder, rows=6):
    folder.mkdir(parents=True)
    for part, count in (("train", rows), ("t10k", 2)):
        head = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2])
        pixels = np.full((count, 2, 2), 255, np.uint8).tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels)
        labels = bytes([0, 0, 8, 1, 0, 0, 0, count, *range(count)])
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def test_a_folder_may_bring_another_set_in_mnists_format(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("PARAMJAX_OFFLINE", "1")
    write_images(tmp_path / "mnist")
    for folder in (tmp_path, tmp_path / "mnist"):
        train, test = data.mnist(folder)
        assert (train["x"].shape, train["x"].max()) == ((6, 2, 2, 1), 1)
        assert (train["y"].tolist(), test["y"].tolist()) == (list(range(6)), [0, 1])
    monkeypatch.setenv("PARAMJAX_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="damaged, or another file of this name"):
        data.mnist()
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(data.DataNotFoundError, match="lacks\n  t10k-images-idx3-ubyte"):
        data.mnist(tmp_path)


def test_labels_outside_the_classes_and_images_without_labels(cache, tmp_path):
    write_images(tmp_path / "eleven", rows=11)
    with pytest.raises(ValueError, match="from 0 to 9, got 10 at row 10"):
        data.mnist(tmp_path / "eleven")
    write_images(tmp_path / "uneven")
    labels = tmp_path / "uneven" / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 5, *range(5)])))
    with pytest.raises(ValueError, match="leaves of one length"):
        data.mnist(tmp_path / "uneven")


def test_an_unknown_series_has_near_ones():
    with pytest.raises(ValueError, match="nearest: monthly_sunspots"):
        data.time_series("sunspots_monthly")


def test_the_published_files(shared_data):
    """Counts and first values that their publishers state."""
    train, test = data.fashion_mnist(shared_data)
    assert (train["x"].shape, test["x"].shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    assert np.bincount(train["y"]).tolist() == [6000] * 10
    train, test = data.adult(shared_data)
    assert (train["x"].shape, test["x"].shape) == ((32_561, 123), (16_281, 123))
    assert int(train["y"].sum()) == 7_841
    sentences, labels = data.movie_sentences(shared_data)
    assert (len(sentences), int(labels.sum())) == (10_662, 5_331)
    assert sentences[0] == "simplistic , silly and tedious ."
    assert len(set(data.tiny_shakespeare(shared_data))) == 65
    assert data.time_series("airline_passengers", shared_data)[:3].tolist() == [112, 118, 132]
    assert len(data.time_series("daily_temperatures", shared_data)) == 3_650
    assert len(data.time_series("monthly_sunspots", shared_data)) == 2_820


def test_one_set_of_the_family_is_not_taken_for_the_other(shared_data):
    with pytest.raises(ValueError, match="expected Fashion-MNIST, got MNIST"):
        data.fashion_mnist(shared_data / "mnist")
