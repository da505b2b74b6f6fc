"""The style of figures: sizes, fonts, and one colour and marker per method in all figures."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from results.atomic import written

PAPER = Path(__file__).with_name("paper.mplstyle")
SINGLE, DOUBLE = 3.3, 6.9
"""Widths of one and of two columns of a paper, in inches."""

# Okabe and Ito's colours without yellow, which vanishes on paper. Grey print has the markers: seven
# colours and nine markers, both counted up, repeat only after 63 methods.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")

# A method's place in this list decides its colour and marker: append, never reorder.
KNOWN = (
    *("betavae", "infogan", "vae", "gan", "factorvae", "betatcvae", "dipvae", "adavae"),
    *("annealedvae", "cgan", "dcgan", "dcign", "pca", "ica", "pixels", "untrained", "pix2pix"),
    *("random", "truth", "wgan", "wgan_gp", "infogan_cr", "vib"),
)


def method_style(method: str) -> tuple[str, str]:
    """Return a method's colour, as #rrggbb, and marker: the same in every figure."""
    known = method in KNOWN
    place = KNOWN.index(method) if known else len(KNOWN) + zlib.crc32(method.encode()) % 44
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


@contextmanager
def paper() -> Iterator[None]:
    """Draw and save with the settings of a paper; nothing global is changed."""
    seaborn = sns.axes_style("whitegrid") | sns.plotting_context("paper", font_scale=0.8)
    paper_style = mpl.rc_params_from_file(PAPER, use_default_template=False)
    with mpl.rc_context({**seaborn, **paper_style}):
        yield


MOST_DOTS = 4_200
"""Along the longer side of a bitmap: two columns at 600 dots per inch."""


def save(figure: Figure, stem: Path, dpi: int = 300) -> None:
    """Write `<stem>.pdf` and `<stem>.png`; equal figures give equal files.

    Raises:
        UserError: a file cannot be written.
    """
    with paper():
        # Laid out once for both: it takes longer than drawing.
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    dpi = min(dpi, int(MOST_DOTS / max(figure.get_size_inches())))
    for kind in ("pdf", "png"):
        save_as(figure, stem.with_name(f"{stem.name}.{kind}"), dpi)


KINDS = (".png", ".pdf", ".svg")
"""Suffixes of pictures."""


def save_as(figure: Figure, path: Path, dpi: int = 300) -> Path:
    """Write the file that `path` names, of the kind that its suffix names, and return `path`.

    Raises:
        UserError: the file cannot be written.
    """
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    with paper(), written(path) as temporary:
        figure.savefig(temporary, dpi=dpi, metadata=metadata)
    return path
