"""The Python snippets of the README and of the site, and a program that runs those of one framework.

``python tests/documentation.py jax+torch`` runs the snippets that need these two, and prints what they print, as JSON.
"""

import json
import re
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```\n(?:\s*\n\1```text\n(.*?)^\1```\n)?", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"\b(jax|mxnet|tensorflow|torch)\b")
IMPORT = re.compile(r"^(?:import|from) ", re.MULTILINE)


class Snippet(NamedTuple):
    """One block of Python code: where it stands, what it needs, and what the document shows beneath it."""

    document: str
    line: int
    frameworks: str
    code: str
    shown: str | None

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.document}:{self.line}"


def snippets_of(path: Path) -> Iterator[Snippet]:
    """Return the snippets of a document; one without imports goes on where the one before it ended."""
    text, frameworks = path.read_text("utf-8"), "numpy"
    for block in BLOCK.finditer(text):
        code, shown = (textwrap.dedent(part) if part else None for part in (block[2], block[3]))
        if IMPORT.search(code):
            frameworks = "+".join(sorted(set(NAMED.findall(code)))) or "numpy"
        line = text.count("\n", 0, block.start(2)) + 1
        yield Snippet(path.relative_to(ROOT).as_posix(), line, frameworks, code, shown)


ELSEWHERE = {*ROOT.glob("docs/gallery/*.md"), ROOT / "docs/extending/backend.md"}
"""Pages that show whole programs, which other tests run."""
PAGES = [ROOT / "README.md", *sorted(set(ROOT.glob("docs/**/*.md")) - ELSEWHERE)]
SNIPPETS = list(chain.from_iterable(map(snippets_of, PAGES)))


def main(frameworks: str) -> None:
    """Run the snippets of these frameworks, those of a document in one namespace, and print what each one printed."""
    import unifiedqr

    printed, namespaces = {}, {}
    for snippet in SNIPPETS:
        if snippet.frameworks != frameworks:
            continue
        with redirect_stdout(StringIO()) as output:
            try:
                code = compile("\n" * (snippet.line - 1) + snippet.code, snippet.document, "exec")
                exec(code, namespaces.setdefault(snippet.document, {"__name__": "snippet"}))
            except Exception:
                print(traceback.format_exc())
        unifiedqr.set_checks("warn")
        unifiedqr.set_backend(None)
        printed[snippet.place] = output.getvalue()
    print(json.dumps(printed))


if __name__ == "__main__":
    main(sys.argv[1])
