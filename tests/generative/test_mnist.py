import functools
import gzip
import hashlib
import http.server
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, OutputError
from ftj_spice.generative import mnist
from ftj_spice.generative.mnist import cache_folder, download_mnist, load_mnist

DIGITS = Path(__file__).parent / "data"  # 100 images of MNIST's test part, ten of each digit
SHAPES = {"images": (4, 28, 28), "labels": (4,)}


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def content(name):
    """A small stand-in for one of the four files."""
    shape = SHAPES["images" if "images" in name else "labels"]
    return gzip.compress(idx((np.arange(np.prod(shape)) % 10).astype(np.uint8).reshape(shape)), mtime=0)


def fill(folder, rename=lambda name: name, unzip=False):
    folder.mkdir(exist_ok=True)
    for name in mnist.MD5:
        packed = content(name)
        target = name.removesuffix(".gz") if unzip else name
        (folder / rename(target)).write_bytes(gzip.decompress(packed) if unzip else packed)
    return folder


@pytest.mark.parametrize("unzip", [False, True])
@pytest.mark.parametrize("separator", ["-", "."])
def test_every_spelling_is_read(tmp_path, separator, unzip):
    folder = fill(tmp_path, lambda name: name.replace("-idx", f"{separator}idx"), unzip)
    data = load_mnist(folder)
    assert data.train_images.shape == data.test_images.shape == (4, 28, 28)
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 1, 2, 3]
    assert data.train_images[0, 0, :12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_real_digits_are_read_the_right_way_round(tmp_path):
    for name in mnist.MD5:
        (tmp_path / name).write_bytes((DIGITS / name.replace("train", "t10k")).read_bytes())
    data = load_mnist(tmp_path)
    assert np.bincount(data.test_labels).tolist() == [10] * 10
    ones = data.test_images[data.test_labels == 1] > 128
    assert ones.any(axis=2).sum(axis=1).mean() > 1.5 * ones.any(axis=1).sum(axis=1).mean(), "a one is tall"


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("train-images-idx3-ubyte.gz", np.zeros((4, 28, 27), np.uint8), "28 x 28 pixels, these are 28 x 27"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((0, 28, 28), np.uint8), "t10k-images.*holds no images"),
        ("t10k-labels-idx1-ubyte.gz", np.zeros(3, np.uint8), "t10k-labels.*3 labels for the 4 images"),
        ("train-labels-idx1-ubyte.gz", np.full(4, 10, np.uint8), "digits from 0 to 9, found 10"),
        ("train-labels-idx1-ubyte.gz", np.zeros((4, 1), np.uint8), "1 dimension: it starts with 00000802"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, name, array, sentence):
    fill(tmp_path)
    (tmp_path / name).write_bytes(gzip.compress(idx(array)))
    with pytest.raises(DataError, match=sentence):
        load_mnist(tmp_path)


def test_missing_folder_and_file_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        load_mnist(tmp_path / "nowhere")
    fill(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        load_mnist(tmp_path)


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("FTJ_SPICE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ftj-spice" / "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ftj-spice" / "mnist"
    monkeypatch.setenv("FTJ_SPICE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own" / "mnist"


class Server:
    """A mirror on the loopback interface that remembers what was asked of it."""

    def __init__(self, folder):
        self.asked = []
        handler = functools.partial(self._handler(), directory=str(folder))
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}/"

    def _handler(self):
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path.lstrip("/"))
                super().do_GET()

            def log_message(self, *_):
                pass

        return Handler

    def close(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def mirrors(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MD5", {n: hashlib.md5(content(n)).hexdigest() for n in mnist.MD5})
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    servers = []

    def start(folder):
        servers.append(Server(folder))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_published_checksums_are_used():
    assert mnist.MD5["train-images-idx3-ubyte.gz"] == "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    assert len(mnist.MD5) == 4


def test_download_fills_the_cache_once(tmp_path, mirrors, monkeypatch):
    server = mirrors(fill(tmp_path / "www"))
    monkeypatch.setenv("FTJ_SPICE_CACHE", str(tmp_path / "cache"))
    seen = []
    folder = download_mnist(progress=lambda *step: seen.append(step), mirrors=[server.url])
    assert folder == tmp_path / "cache" / "mnist"
    assert len(load_mnist(folder).train_images) == 4
    assert [(name, len(content(name)), len(content(name))) for name in mnist.MD5] == seen
    assert sorted(path.name for path in folder.iterdir()) == sorted(mnist.MD5), "nothing else is left"
    assert download_mnist(mirrors=[server.url]) == folder
    assert sorted(server.asked) == sorted(mnist.MD5), "each file was asked for once"


def test_only_missing_and_damaged_files_are_fetched_again(tmp_path, mirrors):
    server = mirrors(fill(tmp_path / "www"))
    cache = fill(tmp_path / "cache")
    missing, damaged, *_ = mnist.MD5
    (cache / missing).unlink()
    (cache / damaged).write_bytes(content(damaged)[:-1])
    download_mnist(cache, mirrors=[server.url])
    assert sorted(server.asked) == sorted((missing, damaged))
    assert (cache / damaged).read_bytes() == content(damaged)


def test_a_damaged_mirror_is_passed_over(tmp_path, mirrors):
    name = next(iter(mnist.MD5))
    bad = fill(tmp_path / "bad")
    (bad / name).write_bytes(content(name)[:-1] + b"x")
    first, second = mirrors(bad), mirrors(fill(tmp_path / "good"))
    cache = download_mnist(tmp_path / "cache", mirrors=[first.url, second.url])
    assert second.asked == [name]
    assert (cache / name).read_bytes() == content(name)


def test_a_damaged_file_never_reaches_the_cache(tmp_path, mirrors):
    name = next(iter(mnist.MD5))
    bad = fill(tmp_path / "bad")
    (bad / name).write_bytes(b"not it")
    with pytest.raises(DataError, match=rf"{name} could not be downloaded .*wrong checksum.*--data DIR"):
        download_mnist(tmp_path / "cache", mirrors=[mirrors(bad).url])
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_network_is_one_clear_sentence(tmp_path, mirrors):
    empty = tmp_path / "empty"
    empty.mkdir()
    urls = [f"http://127.0.0.1:{closed_port()}/", mirrors(empty).url]
    with pytest.raises(DataError, match=r"refused.*; .*[Nn]ot [Ff]ound.*pass it with --data DIR") as caught:
        download_mnist(tmp_path / "cache", mirrors=urls)
    assert "\n" not in str(caught.value)


def test_other_addresses_are_not_opened(tmp_path, mirrors):
    with pytest.raises(DataError, match="only http and https"):
        download_mnist(tmp_path / "cache", mirrors=[f"file://{fill(tmp_path / 'www')}/"])


def test_an_endless_answer_is_cut(tmp_path, mirrors, monkeypatch):
    monkeypatch.setattr(mnist, "_MAX_BYTES", 10)
    with pytest.raises(DataError, match="more than an MNIST file"):
        download_mnist(tmp_path / "cache", mirrors=[mirrors(fill(tmp_path / "www")).url])


def test_a_cache_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cache can't be made"):
        download_mnist(tmp_path / "file" / "cache", mirrors=[])
