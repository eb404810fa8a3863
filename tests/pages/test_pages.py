"""Reports as text: their size, their escapes; Markdown; what a notebook shows."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from unifiedqr_lab.bench.document import brief
from unifiedqr_lab.bench.report import render as render_benchmark
from unifiedqr_lab.compare.comparison import Comparison
from unifiedqr_lab.compare.document import document
from unifiedqr_lab.compare.report import render
from unifiedqr_lab.conformance.runner import run_suite
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.pages import page
from unifiedqr_lab.pages.axis import LogAxis
from unifiedqr_lab.pages.colours import LEVELS, level, style_of_levels
from unifiedqr_lab.pages.markdown import escaped, table
from unifiedqr_lab.pages.page import number, share, unbroken
from unifiedqr_lab.pages.picture import data_url
from unifiedqr_lab.workers import display
from unifiedqr_lab.workers.progress import Progress


class Rows(HTMLParser):
    """Counts the cells of every row of every table, by their spans."""

    def __init__(self):
        super().__init__()
        self.tables, self.captions = [], 0

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += int(dict(attributes).get("colspan", 1))
        self.captions += tag == "caption"


@pytest.mark.parametrize("name", ["comparison", "disagreement", "benchmark"])
def test_a_page_is_small_and_its_tables_are_regular(request, name):
    given = request.getfixturevalue(name)
    text = (render_benchmark if name == "benchmark" else render)(given)
    assert len(text.encode()) < page.LARGEST == 500_000
    found = Rows()
    found.feed(text)
    assert found.captions == len(found.tables) > 2
    assert all(len(set(cells)) == 1 for cells in found.tables)
    assert all("scope=" in heading for heading in re.findall("<th(?: [^>]*)?>", text))
    assert not re.search(r"(?<!xmlns=.)https?://", text)


@pytest.fixture(scope="module")
def many(disagreement):
    """Return the disagreement among hundreds of cases that agree."""
    job, names = disagreement.job, [f"copy {i}" for i in range(60)]
    copies = {name: [replace(case, id=f"{case.id} {name}") for case in job.cases[2:]] for name in names}
    cases = (*(case for found in copies.values() for case in found), *job.cases)

    def repeated(record):
        outcomes = {
            (copy.id, derivative): record.outcomes[case.id, derivative]
            for found in copies.values()
            for copy, case in zip(found, job.cases[2:], strict=True)
            for derivative in job.derivatives
        }
        return replace(record, outcomes={**outcomes, **record.outcomes})

    records = {name: repeated(record) for name, record in disagreement.records.items()}
    return Comparison(replace(job, cases=cases), records, repeated(disagreement.truth), disagreement.failures)


def shown(text):
    """Return the cases of the map of errors."""
    return re.findall(r'<tbody data-row.*?\n.*?rowgroup"[^>]*>(.*?)</th>', text)


def plain(text):
    return re.sub(r"<[^>]*>", "", text)


@pytest.mark.parametrize("largest", [500_000, 200_000, 80_000])
def test_a_page_shows_what_fits_first_what_is_wrong(many, monkeypatch, largest):
    monkeypatch.setattr(page, "LARGEST", largest)
    text = render(many)
    assert len(text.encode()) <= largest
    told = [plain(case) for case in shown(text)]
    assert {case.id for case in many.job.cases[-4:-2]} <= set(told)  # they disagree, and are the last
    if len(told) < len(many.job.cases):
        assert largest < 500_000
        assert f"Of {len(many.job.cases)} cases those {len(told)} are shown" in text


def test_data_that_are_too_large_are_left_to_the_option(comparison, monkeypatch):
    monkeypatch.setattr(page, "EMBEDDED", 1_000)
    assert "Too large for this page; <code>--json FILE</code> writes it." in render(comparison)


def test_a_page_says_where_it_comes_from(comparison):
    text = render(comparison)
    read = plain(text)
    environment = next(iter(comparison.records.values())).environment
    told = comparison.to_dict()
    for words in (
        comparison.command,
        str(comparison.job.seed),
        comparison.job.digest()[:16],
        told["cases"][0]["sha256"][0][:16],
        environment.processor,
        environment.blas,
        f"{environment.threads} thread",
        f"unifiedqr {told['unifiedqr']}",
    ):
        assert words
        assert words in read
    embedded = re.search(r"gzip;base64,([^\"]+)", text)[1]
    assert json.loads(gzip.decompress(base64.b64decode(embedded))) == json.loads(json.dumps(told))


def test_every_framework_names_its_linear_algebra(backend):
    told = instruments(backend.name).blas()
    known = {"numpy": "numpy: ", "jax": "Eigen; scipy: ", "tensorflow": "Eigen", "mxnet": "BLAS_"}
    assert known.get(backend.name, "") in told
    assert "<" not in told
    if backend.name in ("numpy", "jax", "torch"):
        assert re.search(r"\d+\.\d+", told)


def test_what_users_wrote_is_escaped(disagreement):
    assert "<b>Fatal" not in render(disagreement)
    assert "&lt;b&gt;Fatal&lt;/b&gt;" in render(disagreement)
    assert "<b>Fatal" not in disagreement._repr_html_()
    assert r"\<b>Fatal" in document(disagreement)


def test_markdown_has_a_verdict_and_regular_tables(comparison, disagreement, benchmark):
    for text in (document(comparison), document(disagreement), brief(benchmark)):
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
        assert text.startswith("### unifiedqr ")
    assert "compare: agreement" in document(comparison)
    assert "compare: disagreement" in document(disagreement)
    assert comparison.command in document(comparison)
    assert f"{comparison.findings[0].error:.1e}" in document(comparison)
    assert "| tall |" in brief(benchmark)
    assert table(["a", "b"], [["x|y", "1"]]) == "| a | b |\n|---|--:|\n| x\\|y | 1 |\n"
    assert escaped("a_b *c*") == r"a_b \*c\*"


def test_a_notebook_shows_tables(comparison, benchmark):
    for shown, words in (
        (comparison, ("agrees", comparison.verdict(), "numpy")),
        (benchmark, ("geometric mean", "qr:8x8:float64")),
        (run_suite(("numpy",), decompositions=("qr",), dtypes=("float64",)), ("numpy: ", "conforms")),
    ):
        text = shown._repr_html_()
        found = Rows()
        found.feed(text)
        assert len(found.tables) == found.captions == 1
        assert len(set(found.tables[0])) == 1
        assert all(word in text for word in words)
        assert "<script" not in text


def test_the_text_of_a_comparison_is_the_same_in_a_notebook(comparison, monkeypatch):
    told = str(comparison)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert Console().is_jupyter
    assert str(comparison) == told
    assert comparison.verdict() in told


class Jupyter(display.Console):
    """A console that believes to be in a notebook."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{**options, "force_jupyter": True, "stderr": False})


@pytest.mark.parametrize("widgets", [True, False])
def test_progress_is_shown_in_a_notebook(monkeypatch, widgets):
    shown = []
    monkeypatch.setattr(display, "Console", Jupyter)
    monkeypatch.setattr(display, "find_spec", lambda name: widgets or None)
    monkeypatch.setattr("rich.jupyter.display", lambda segments, text: shown.append(text))
    monkeypatch.setattr("rich.live.Live.refresh", lambda live: shown.append(live.renderable))
    assert display.in_notebook()
    with display.watching() as watch:
        watch(Progress("torch", "running", 1, 4))
        watch(Progress("torch", "done"))
    if widgets:
        assert shown
        assert not isinstance(shown[0], str)
    else:
        assert "torch: done" in "".join(map(str, shown))


def test_numbers_are_short_and_whole():
    assert [share(x) for x in (0.0, 1e-9, 5e-4, 0.25, 12.0, None, float("nan"))] == [
        *("0%", "< 0.001%", "0.05%", "25.0%", "1e+01 ×", "–", "–")
    ]
    assert [number(x) for x in (1.234e-13, "inf", None)] == ["1.2e-13", "inf", "–"]
    assert str(unbroken("at most 2.8e-12, <b>")) == 'at most <span class="value">2.8e-12,</span> &lt;b&gt;'


def test_levels_are_decades_and_their_text_can_be_read():
    assert [level(x) for x in (0.0, 1e-17, 9e-17, 1e-16, 0.5, 1.0, 1e9)] == [0, 0, 0, 1, 16, 17, 17]
    rules = re.findall(r"--level: #(\w{6}); --on-level: #(\w{3});", style_of_levels())
    assert len(rules) == LEVELS
    for colour, text in rules:
        linear = [(int(colour[i : i + 2], 16) / 255 + 0.055) / 1.055 for i in (0, 2, 4)]
        luminance = 0.2126 * linear[0] ** 2.4 + 0.7152 * linear[1] ** 2.4 + 0.0722 * linear[2] ** 2.4
        contrast = 1.05 / (luminance + 0.05) if text == "fff" else (luminance + 0.05) / 0.05
        assert contrast > 4.4


def test_an_axis_has_few_round_ticks_between_its_ends():
    axis = LogAxis.around([0.03, 600.0])
    ticks = axis.ticks()
    assert ticks == pytest.approx([0.1, 1.0, 10.0, 100.0])
    assert 0 < axis.percent(0.03) < axis.percent(1.0) < axis.percent(600.0) < 100
    assert LogAxis.around([1.0]).percent(1.0) == pytest.approx(50.0)
    assert LogAxis.around([0.8, 3.0]).ticks() == pytest.approx([1.0, 2.0])


def test_a_picture_is_a_png_of_its_levels(browser):
    """The browser reads the colours back."""
    levels, palette = np.array([[0, 1, 2], [1, 1, 0]]), np.array([[10, 20, 30], [200, 100, 50]], dtype=np.uint8)
    tab = browser.new_page()
    read = tab.evaluate(
        """async address => {
            const image = new Image();
            image.src = address;
            await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [image.width, image.height, ...canvas.getImageData(0, 0, image.width, image.height).data];
        }""",
        data_url(levels, palette),
    )
    tab.close()
    assert read[:2] == [3, 2]
    pixels = np.array(read[2:]).reshape(2, 3, 4)
    assert pixels[0, 2, 3] == 0
    np.testing.assert_array_equal(pixels[1], [[200, 100, 50, 255], [200, 100, 50, 255], [10, 20, 30, 255]])
