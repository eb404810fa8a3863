"""What the documentation site needs besides MkDocs and its plugins; `mkdocs.yml` names this file as its hooks.

Formulas become MathML when the site is built, so that pages need no script and no other host for them. Each tag of a
formula is an anchor, and a tag in a text, such as (QR.3), is a link to it: in guides, and in the docstrings that the
reference shows.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent
from typing import Any
from xml.etree.ElementTree import Element

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from math_core import LatexToMathML
from mkdocs.exceptions import PluginError

import unifiedqr
from unifiedqr_lab.conformance.capability_table import excerpt

ROOT = Path(__file__).parents[1]
SOURCE = "https://github.com/unifiedqr/unifiedqr/blob/main"
TAG = re.compile(r"\\tag\{([A-Z]+\.\d+)\}")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
DISPLAY = re.compile(r"^( *)\$\$\n(.*?)\n *\$\$$", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"^( *)<!-- transforms: (\w+)\n(.*?)\n *-->$", re.DOTALL | re.MULTILINE)
SHAPE = re.compile(r"<code>\(array, shape(\(.*?\))\)</code>")
OUTWARD = re.compile(r"\]\(((?:\.\./)+)([\w./-]+)(#[\w-]+)?\)")
ELSEWHERE = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\ssrc="?(?:https?:)?//|<link\b(?![^>]*canonical)[^>]*href="?(?:https?:)?//'
)

MACROS = {
    "H": r"\mathsf{H}",
    "d": r"\mathrm{d}",
    "Re": r"\operatorname{Re}",
    "Im": r"\operatorname{Im}",
    "tr": r"\operatorname{tr}",
    "diag": r"\operatorname{diag}",
    "up": r"\operatorname{up}",
    "skew": r"\operatorname{skew}",
    "lowskew": r"\operatorname{lowskew}",
    "upskew": r"\operatorname{upskew}",
    "slow": r"\operatorname{slow}",
    "sup": r"\operatorname{sup}",
}

capabilities = json.loads((ROOT / "docs" / "capabilities.json").read_text("utf-8"))["table"]
mathml = LatexToMathML(macros=MACROS, fancy_error=False)
drawn: set[str] = set()
"""The characters of all formulas, which the font of the site has to have."""


def _anchor(tag: str) -> str:
    return f"eq-{tag.replace('.', '-').lower()}"


class Tag(InlineProcessor):
    """A tag in a text, as a reference that mkdocs-autorefs resolves."""

    def handleMatch(self, m: re.Match[str], _: str) -> tuple[Element, int, int]:
        """Return the element for a match."""
        reference = Element("autoref", identifier=_anchor(m[1]))
        reference.text = m[0]
        return reference, m.start(), m.end()


class Pairing(InlineProcessor):
    """A pairing, such as <X_bar, dX> in a docstring, which Markdown would take for a tag of HTML."""

    def handleMatch(self, m: re.Match[str], _: str) -> tuple[str, int, int]:
        """Return the text as it is."""
        return m[0], m.start(), m.end()


class Tags(Extension):
    """Links every known tag to its formula, and leaves pairings alone."""

    def __init__(self, known: set[str]) -> None:
        super().__init__()
        self.known = known

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the pattern, below code, links and formulas."""
        known = "|".join(sorted(map(re.escape, self.known), key=len, reverse=True))
        md.inlinePatterns.register(Tag(rf"(?<![\w\]])\(({known})\)(?!\()", md), "equation-tag", 85)
        md.inlinePatterns.register(Pairing(r"<\w+, \w+>", md), "pairing", 95)


def on_config(config: Any) -> Any:
    """Make tags links, name the version, and fill a section of the navigation that names a folder with its pages."""
    config.copyright = f"unifiedqr {unifiedqr.__version__}, Apache-2.0"
    pages = Path(config.docs_dir).rglob("*.md")
    config.markdown_extensions.append(Tags({tag for page in pages for tag in TAG.findall(page.read_text("utf-8"))}))
    config.nav = [item for entry in config.nav for item in _filled(entry, Path(config.docs_dir))]
    return config


def _filled(entry: Mapping[str, Any], docs: Path) -> Iterator[Mapping[str, Any]]:
    (title, content), *_ = entry.items()
    if not (isinstance(content, str) and content.endswith("/")):
        yield entry
    elif pages := sorted(docs.glob(f"{content}*.md"), key=lambda page: (page.stem != "index", page.stem)):
        yield {title: [page.relative_to(docs).as_posix() for page in pages]}


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Give each tagged formula its anchor, put tables in, and lead links out of the site to the repository."""
    folder = Path(page.file.abs_src_path).parent

    def anchored(formula: re.Match[str]) -> str:
        anchors = "".join(f"[](){{ #{_anchor(tag)} }}" for tag in TAG.findall(formula[2]))
        return f"{formula[1]}{anchors}\n\n{formula[0]}" if anchors else formula[0]

    def table(asked: re.Match[str]) -> str:
        return indent(excerpt(capabilities[asked[2]], [name.strip() for name in asked[3].splitlines()]), asked[1])

    def outward(link: re.Match[str]) -> str:
        target = (folder / f"{link[1]}{link[2]}").resolve()
        if target.is_relative_to(Path(config.docs_dir)):
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_path} links to {link[1]}{link[2]}, which does not exist.")
        return f"]({SOURCE}/{target.relative_to(ROOT).as_posix()}{link[3] or ''})"

    markdown = TABLE.sub(table, markdown).replace("<!-- formulas -->", _formulas(folder))
    return OUTWARD.sub(outward, DISPLAY.sub(anchored, markdown))


def _formulas(folder: Path) -> str:
    """Return which formulas stand on which page of a folder, in Markdown, in the order of the first ones."""
    found = {page: TAG.findall(page.read_text("utf-8")) for page in folder.glob("*.md")}
    pages = sorted((page for page in found if found[page]), key=lambda page: int(re.sub(r"\D", "", found[page][0])))
    titles = {page: page.read_text("utf-8").partition("\n")[0].removeprefix("# ") for page in pages}
    rows = [f"| [{titles[page]}]({page.name}) | {', '.join(f'({tag})' for tag in found[page])} |" for page in pages]
    return "\n".join(["| page | formulas |", "|---|---|", *rows])


def on_page_content(content: str, **_: Any) -> str:
    """Write the page's formulas as MathML, and shapes of parameters as their docstrings have them."""

    def written(formula: re.Match[str]) -> str:
        display, tex = formula[2] == "[", html.unescape(formula[3])
        if display:
            tex = rf"\begin{{equation*}}{tex}\end{{equation*}}" if TAG.search(tex) else tex
        markup = mathml.convert_with_local_state(tex, displaystyle=display)
        drawn.update(html.unescape(re.sub("<[^>]*>", "", markup)))
        return f'<div class="formula">{markup}</div>' if display else markup

    return SHAPE.sub(r"<code>array, shape \1</code>", FORMULA.sub(written, content))


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that a browser would complete from another host."""
    if found := ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_path} would load from another host: {found[0]}")
    return output


def on_post_build(config: Any) -> None:
    """Write the mathematical font, of the characters that the formulas are made of, and its licence."""
    font = TTFont(Path(find_spec("ziamath").submodule_search_locations[0]) / "fonts" / "STIXTwoMath-Regular.ttf")
    licence = font["name"].getDebugName(13)
    subset = Subsetter(Options(layout_features=["*"], name_IDs=["*"]))
    subset.populate(unicodes=set(map(ord, drawn)))
    subset.subset(font)
    font.flavor = "woff2"
    folder = Path(config.site_dir) / "stylesheets"
    font.save(folder / "STIXTwoMath.woff2")
    (folder / "STIXTwoMath.txt").write_text(f"{font['name'].getDebugName(0)}\n{licence}\n", encoding="utf-8")
