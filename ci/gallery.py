"""Run the programs of the gallery and write their pictures and pages, and the index of them.

``python ci/gallery.py FOLDER [BACKEND [NAME ...]]`` runs the named programs of examples/gallery, by default all,
in one framework, torch by default, and writes FOLDER/NAME.svg, FOLDER/NAME.md and FOLDER/index.md.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from unifiedqr_lab.files import write_whole

PROGRAMS = Path(__file__).parents[1] / "examples/gallery"


class Entry(NamedTuple):
    """What the pages say of a program: its title, what is learned, and its picture in words."""

    title: str
    learned: str
    picture: str


READERS = {
    "Deep learning": {
        "stiefel": Entry(
            "Orthonormal layers and the Stiefel manifold",
            "Keep a matrix orthonormal in training in three ways: by differentiating through `qr`, by a retraction, "
            "and by an optimizer whose steps are orthonormal themselves.",
            "Lines over sixty steps, logarithmic: the share of the best value that is missing. Layer and retraction "
            "come to about one thousandth, the layer with a jump on its way; the orthonormalizing optimizer comes to "
            "three ten-millionths.",
        ),
        "network_compression": Entry(
            "Compressing a network",
            "Cut a trained layer to a small rank by pivoted `qr` with `rank=`, and go on training through the "
            "factorization.",
            "Accuracy on new digits against rank 2, 4, 8 and 16. Fine-tuned through pivoted QR, rank 8 is as good as "
            "the whole layer; truncation alone, by QR or by singular values, is far worse at small ranks.",
        ),
        "graph_learning": Entry(
            "Learning on graphs",
            "Differentiate eigenvectors by orthogonal iteration, and train a graph layer with orthogonal weights from "
            "one label per class.",
            "The friendships of the karate club, coloured by the two clubs that the trained layers predict; the "
            "thicker a line, the more that friendship adds to the connectivity of the graph.",
        ),
        "sharded_training": Entry(
            "Orthonormal steps on sharded weights",
            "Train weights that lie on several devices, a `NamedSharding` in JAX and DTensors in PyTorch, with an "
            "optimizer that orthonormalizes its steps without gathering them.",
            "Lines over a hundred steps, logarithmic: the relative distance of the loss from the least one. Gradient "
            "descent with momentum ends five per cent above it, orthonormal steps one thousandth.",
        ),
    },
    "Tensor networks": {
        "spin_chain": Entry(
            "The ground state of a spin chain",
            "Bring a complex matrix product state into canonical form by sweeps of `qr` and `lq`, and lower its "
            "energy by the gradient through both.",
            "Lines over sixty gradients, logarithmic: the energy above the exact one. Bonds of dimension 2 stop at one "
            "tenth, those of dimension 4 come to one thousandth, those of dimension 8 below one ten-thousandth.",
        ),
        "lyapunov": Entry(
            "Lyapunov exponents and localization",
            "Follow a long product of matrices by a chain of `qr` in your framework's scan, and differentiate its "
            "exponents by a complex parameter.",
            "The inverse localization length against energy: a curve in closed form, nine dots of the chain of QR on "
            "it, and in each dot the slope that was differentiated, which is tangent.",
        ),
    },
    "Filtering and vision": {
        "kalman_filter": Entry(
            "A square-root Kalman filter that learns its noise",
            'Write a step of the filter as one `qr(mode="r")`, start from a covariance of zero, and maximize the '
            "likelihood by its gradient.",
            "A hundred yearly flows of the Nile as dots, the level that the filter predicts a year ahead as a line "
            "that falls about 1899, and a band of two deviations.",
        ),
        "streaming_regression": Entry(
            "Streaming regression that learns how fast to forget",
            "Keep the triangle of a growing regression by `qr_append_rows`, and find the forgetting factor whose "
            "predictions are best by a gradient that goes back through every update.",
            "Three coefficients over sixty steps: the true ones, dotted, wander; the tracked ones follow them closely, "
            "and those of a regression that forgets nothing, grey, lag far behind.",
        ),
        "camera": Entry(
            "Thousands of cameras and their uncertainty",
            "Solve a batch of small problems by `lstsq` and `rq`, and get the uncertainty of every one from one "
            "pullback.",
            "Histograms over 3000 pictures of errors divided by their predicted deviations, for focal length, centre "
            "and position: all three follow the normal law.",
        ),
        "bayesian_regression": Entry(
            "Bayesian regression and optimal design",
            "Maximize an evidence and a design through `slogdet` and `lstsq`, with no update rule derived by hand.",
            "For degrees one to six, the points of [-1, 1] where measurements say most about a polynomial: dots found "
            "by gradient lie in the circles of the closed form.",
        ),
    },
    "Porting": {
        "porting": Entry(
            "Finding the sign that a port lost",
            "Record a model in two frameworks, compare the files, and find the first layer that differs.",
            "Bars, logarithmic: the largest difference of the two frameworks layer by layer. Features and product of "
            "factors differ by rounding; from the orthonormal layer on everything differs by about one.",
        ),
    },
}
ENTRIES = {name: entry for entries in READERS.values() for name, entry in entries.items()}


def run(name: str, backend: str, picture: Path) -> str:
    """Run a program as a reader would, let it write its picture, and return what it printed."""
    ran = subprocess.run(
        [sys.executable, PROGRAMS / f"{name}.py", "--picture", picture],
        env={**os.environ, "UNIFIEDQR_BACKEND": backend, "SOURCE_DATE_EPOCH": "0", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return ran.stdout


def page(name: str, backend: str, printed: str) -> str:
    """Return the page of a program."""
    entry = ENTRIES[name]
    return f"""# {entry.title}

{entry.learned}

![{entry.picture}]({name}.svg)

The program, `examples/gallery/{name}.py`, runs in every framework that differentiates; the variable selects one:

```sh
UNIFIEDQR_BACKEND={backend} python examples/gallery/{name}.py
```

```text
{printed.rstrip()}
```

```python
{(PROGRAMS / f"{name}.py").read_text().rstrip()}
```
"""


INTRODUCTION = """# Gallery

Complete programs of fewer than 120 lines. `UNIFIEDQR_BACKEND` alone decides if they run in PyTorch, TensorFlow, JAX
or MXNet. Each ends by checking its result against a value known otherwise: a closed form, a publication, an independent
solver. `pip install "unifiedqr[gallery]"` installs what they need besides a framework.
"""


def card(name: str) -> str:
    """Return the card of a program in the index."""
    entry = ENTRIES[name]
    return f"-   ![{entry.picture}]({name}.svg)\n\n    **[{entry.title}]({name}.md)**\n\n    {entry.learned}\n"


def index() -> str:
    """Return the index: cards for each kind of reader."""
    parts = [INTRODUCTION]
    for reader, entries in READERS.items():
        cards = "\n".join(card(name) for name in entries)
        parts.append(f'## {reader}\n\n<div class="grid cards" markdown>\n\n{cards}\n</div>\n')
    return "\n".join(parts)


def main(folder: Path, backend: str = "torch", *names: str) -> None:
    """Write the pictures, the pages and the index."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for name in names or ENTRIES:
            print(name, file=sys.stderr, flush=True)
            picture = Path(place, f"{name}.svg")
            printed = run(name, backend, picture)
            write_whole(folder / f"{name}.svg", picture.read_bytes())
            write_whole(folder / f"{name}.md", page(name, backend, printed).encode())
    write_whole(folder / "index.md", index().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
