"""Write what a benchmark found into the documents, as numbers and as a document.

``python ci/benchmark.py BENCHMARK FOLDER [DOCUMENT]`` reads the JSON file that ``make bench`` wrote, and writes
``benchmark.json`` and ``benchmark.md`` into the folder, and the short table of a document such as ``docs/speed.md``.
"""

import argparse
from pathlib import Path

from unifiedqr.errors import InputError
from unifiedqr_lab.bench.document import BEGIN, END, digest, document
from unifiedqr_lab.bench.results import Benchmark
from unifiedqr_lab.conformance.support import replaced
from unifiedqr_lab.files import check_outputs, write_whole

parser = argparse.ArgumentParser(description="Write benchmark.json and benchmark.md from what `make bench` found.")
parser.add_argument("benchmark", type=Path, help="bench.json, as `make bench` writes it")
parser.add_argument("folder", type=Path, help="where to write, such as docs")
parser.add_argument("readme", type=Path, nargs="?", help="a document with the markers of the speed table")
told = parser.parse_args()
numbers, text = told.folder / "benchmark.json", told.folder / "benchmark.md"
try:
    benchmark = Benchmark.read(told.benchmark)
    contents = {text: document(benchmark)}
    if told.readme:
        before = told.readme.read_text(encoding="utf-8") if told.readme.is_file() else ""
        if BEGIN not in before or END not in before:
            raise InputError(f"{told.readme} has no {BEGIN} and {END}.")
        contents[told.readme] = replaced(before, digest(benchmark), BEGIN, END)
    check_outputs(numbers, *contents)
    benchmark.to_json(numbers)
    for path, content in contents.items():
        write_whole(path, content.encode())
except InputError as error:
    parser.error(str(error))
