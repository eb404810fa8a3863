"""The reports in a real browser: three widths, print, dark, the keyboard, assistive technology, the data inside."""

import base64
import gzip
import json

import pytest

PAGES = ("agreement", "disagreement", "benchmark")
WIDTHS = (390, 820, 1280)
A4 = 703
"""Pixels across a sheet of A4 between margins of 12 mm."""

OVERFLOWS = """width => [...document.querySelectorAll("body *")].filter(x => {
    const region = x.closest(".scroll");
    return !(region && x !== region) && !x.closest(".unseen, [hidden]") && x.getBoundingClientRect().width > 0 &&
        (x.getBoundingClientRect().right > width + 0.5 || x.getBoundingClientRect().left < -0.5);
}).map(x => x.outerHTML.slice(0, 120))"""
"""What lies outside the page, but for what is in a region that scrolls."""

CLIPPED = """() => [...document.querySelectorAll("body *")].filter(x =>
    !x.closest("svg, .unseen") && !x.matches(".scroll") && x.scrollWidth > x.clientWidth + 1 && x.clientWidth > 0 &&
    getComputedStyle(x).overflowX !== "visible").map(x => x.outerHTML.slice(0, 120))"""
"""Text that its element cuts off."""

SMALL = """least => [...document.querySelectorAll("body *")].filter(x =>
    [...x.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && !x.matches("script, style, title, desc")
    && parseFloat(getComputedStyle(x).fontSize) < least).map(x => x.outerHTML.slice(0, 120))"""

BROKEN = r"""() => {
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), broken = [];
    for (let node; (node = walker.nextNode());) {
        if (node.parentElement.closest("svg, .unseen, code")) continue;
        for (const match of node.data.matchAll(/\S*\d\S*/g)) {
            const range = document.createRange();
            range.setStart(node, match.index);
            range.setEnd(node, match.index + match[0].length);
            if (new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1) broken.push(match[0]);
        }
    }
    return broken;
}"""
"""Values on two lines."""

UNREACHABLE = """() => [...document.querySelectorAll(".scroll")].filter(region => {
    region.scrollLeft = region.scrollWidth;
    const end = region.getBoundingClientRect().right + 1;
    const last = Math.max(...[...region.querySelectorAll("th, td")].map(x => x.getBoundingClientRect().right));
    region.scrollLeft = 0;
    return last > end || (region.scrollWidth > region.clientWidth && region.tabIndex !== 0);
}).map(x => x.getAttribute("aria-label"))"""
"""Tables of which a column cannot be scrolled to, or not by the keyboard."""

HALVED = """() => [...document.querySelectorAll("caption span, th[scope=rowgroup] > span, th[scope=row]")].filter(x =>
    x.getBoundingClientRect().right > x.closest(".scroll").getBoundingClientRect().right + 1).map(x => x.textContent)"""
"""Labels that are read only by scrolling."""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everything_can_be_read_at_every_width(open_page, name, width):
    page = open_page(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWS, width) == []
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(UNREACHABLE) == []
    assert page.evaluate(HALVED) == []
    assert page.evaluate(BROKEN) == []
    assert page.evaluate(SMALL, 11) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_in_print(open_page, name):
    page = open_page(name, A4, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4
    everything = OVERFLOWS.replace("!(region && x !== region)", "(region || true)")
    assert page.evaluate(everything, A4) == []
    assert page.evaluate(BROKEN) == []
    for text in ("th, td, dd, p", "h1"):
        assert page.evaluate(f"""getComputedStyle(document.querySelector("{text}")).color""").startswith("rgb(")
    dark = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
    assert max(map(int, dark[4:-1].split(","))) < 100  # ink on paper, whatever the reader's screen prefers
    assert page.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (820, "light"), (1280, "light"), (1280, "dark")])
def test_no_rule_of_accessibility_is_broken(open_page, axe, name, width, scheme):
    page = open_page(name, width, color_scheme=scheme)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["testEngine"]["name"] == "axe-core"
    told = [(v["id"], [node["html"][:100] for node in v["nodes"][:3]]) for v in found["violations"]]
    assert told == []


def test_a_dark_screen_has_light_text(open_page):
    colours = {}
    for scheme in ("light", "dark"):
        page = open_page("agreement", color_scheme=scheme)
        told = page.evaluate("['color', 'backgroundColor'].map(x => getComputedStyle(document.body)[x])")
        colours[scheme] = [sum(map(int, colour[4:-1].split(","))) for colour in told]
    assert colours["light"][0] < colours["light"][1]
    assert colours["dark"][0] > colours["dark"][1]


def tip(page):
    return page.evaluate("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")


def test_a_cell_tells_its_error_and_its_share_of_the_tolerance(open_page, comparison):
    page = open_page("agreement", 390)
    finding = comparison.findings[0]
    page.focus(".map a")
    for words in (f"error: {finding.error:.1e}", "of the tolerance: ", f"tolerance {finding.tolerance:.1e}", "numpy"):
        assert words in tip(page)
    box = page.evaluate("(({left, right}) => [left, right])(document.getElementById('tip').getBoundingClientRect())")
    assert 0 <= box[0] < box[1] <= 390
    page.keyboard.press("Escape")
    assert tip(page) == ""
    page.keyboard.press("ArrowDown")
    assert f"{finding.case}, vjp" in tip(page)
    page.keyboard.press("Enter")
    row = page.evaluate("document.querySelector(':target').textContent")
    below = next(f for f in comparison.findings if (f.case, f.derivative) == (finding.case, "vjp"))
    assert f"{below.error:.1e}" in row
    page.hover(".map td:last-of-type >> nth=0")
    page.hover(".map a >> nth=1")
    assert comparison.findings[1].framework in tip(page)


def test_the_keyboard_stops_once_at_a_picture(open_page):
    page = open_page("benchmark")
    stops = page.evaluate(
        """[...document.querySelectorAll("[data-row]")].map(x => x.querySelectorAll('[tabindex="0"]').length)"""
    )
    assert stops
    assert set(stops) == {1}
    page.focus("figure [tabindex='0']")
    first = tip(page)
    assert "native / ours: " in first
    assert "quartiles" in first
    page.keyboard.press("ArrowRight")
    assert tip(page) not in ("", first)
    page.keyboard.press("Home")
    assert tip(page) == first


@pytest.mark.parametrize("name", ["agreement", "benchmark"])
def test_the_data_are_in_the_page(open_page, name, comparison, benchmark):
    document = json.loads(json.dumps((comparison if name == "agreement" else benchmark).to_dict()))
    page = open_page(name)
    page.wait_for_function("document.getElementById('data').href.startsWith('blob:')")
    with page.expect_download() as download:
        page.click("#data")
    assert download.value.suggested_filename == f"{'comparison' if name == 'agreement' else 'benchmark'}.json"
    assert json.loads(download.value.path().read_text()) == document


def test_without_a_script_the_page_is_whole(open_page, comparison):
    page = open_page("agreement", java_script_enabled=False)
    link = page.locator("#data").get_attribute("href")
    assert json.loads(gzip.decompress(base64.b64decode(link.split(",")[1])))["sha256"] == comparison.job.digest()
    page.click(".map a >> nth=0")
    assert page.url.endswith("#r0")
    assert f"{comparison.findings[0].error:.1e}" in page.locator("#r0").inner_text()
