"""Where data sets are published: their files, checksums, addresses and licences."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One file of a data set."""

    name: str
    """Without `.gz`."""
    sha256: tuple[str, ...]
    """Of its bytes, unpacked if they are gzipped; several where several encodings are about."""
    size: int
    """Most bytes that it unpacks to."""
    packed: str = ""
    """What its publisher adds to the name: `.gz` or nothing."""


class Source(NamedTuple):
    """A data set whose files lie together."""

    title: str
    folder: str
    """Below a folder of data sets."""
    files: tuple[Published, ...]
    addresses: tuple[str, ...]
    """Of the folder that the files are published in, tried in this order."""
    licence: str
    archive: Published | None = None
    """A tar file that holds all of them, if that is what the publisher offers."""

    @property
    def offered(self) -> tuple[Published, ...]:
        """What there is to download."""
        return self.files if self.archive is None else (self.archive,)


_IDX = (
    ("train-images-idx3-ubyte", 47_040_016),
    ("train-labels-idx1-ubyte", 60_008),
    ("t10k-images-idx3-ubyte", 7_840_016),
    ("t10k-labels-idx1-ubyte", 10_008),
)


def _images(*checksums: str) -> tuple[Published, ...]:
    """The four files of a data set in MNIST's format."""
    files = zip(_IDX, checksums, strict=True)
    return tuple(Published(name, (checksum,), size, ".gz") for (name, size), checksum in files)


FASHION_MNIST = Source(
    "Fashion-MNIST",
    "fashion_mnist",
    _images(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "MIT licence, Zalando",
)

MNIST = Source(
    "MNIST",
    "mnist",
    _images(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
    "CC BY-SA 3.0, LeCun and Cortes",
)

TINY_SHAKESPEARE = Source(
    "Tiny Shakespeare",
    "tinyshakespeare",
    (
        Published(
            "input.txt",
            ("86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",),
            1_115_394,
        ),
    ),
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare",),
    "text in the public domain, repository under the MIT licence",
)

MOVIE_SENTENCES = Source(
    "Sentence polarity 1.0",
    "text/rt-polaritydata",
    (
        Published(
            "rt-polarity.neg",
            (
                "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd",
                "4af43bf489620b498a0852c5a8c6a535155dec7985fdfea782b8f7756b957ccc",
            ),
            612_506,
        ),
        Published(
            "rt-polarity.pos",
            (
                "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58",
                "d79ef14009bbf87cd6be21f91c3ea1a3cbcb73b34dfb4231aef7bbcd7677abc4",
            ),
            626_395,
        ),
    ),
    ("https://www.cs.cornell.edu/people/pabo/movie-review-data",),
    "for research, Pang and Lee",
    Published(
        "rt-polaritydata.tar.gz",
        ("a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9",),
        487_770,
    ),
)

ADULT = Source(
    "Adult (a9a)",
    "tabular",
    (
        Published(
            "a9a",
            ("7ba53cccb27e2e525f0fb173e1f446d49856e3fb007eb43be4ec6d0f5b3335ca",),
            2_327_314,
        ),
        Published(
            "a9a.t",
            ("1f448a153f0320399a7e40836eb207655b0bde0f21fc941cc472193daa9f5de9",),
            1_164_628,
        ),
    ),
    ("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary",),
    "CC BY 4.0, Becker and Kohavi",
)


def _series(title: str, file: str, size: int, checksum: str) -> Source:
    """One time series, a CSV file."""
    return Source(
        title,
        "timeseries",
        (Published(file, (checksum,), size),),
        ("https://raw.githubusercontent.com/jbrownlee/Datasets/master",),
        "public figures, collected by Brownlee",
    )


TIME_SERIES = {
    "airline_passengers": _series(
        "Airline passengers",
        "airline-passengers.csv",
        2_180,
        "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
    ),
    "daily_temperatures": _series(
        "Daily minimum temperatures",
        "daily-min-temperatures.csv",
        67_921,
        "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
    ),
    "monthly_sunspots": _series(
        "Monthly sunspots",
        "monthly-sunspots.csv",
        45_039,
        "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
    ),
}
