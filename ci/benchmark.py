"""Write what a benchmark found into the documents, as numbers and as a document.

``python ci/benchmark.py BENCHMARK FOLDER`` reads the JSON file that ``make bench`` wrote, and writes ``benchmark.json``
and ``benchmark.md`` into the folder.
"""

import argparse
from pathlib import Path

from unifiedqr.bench.document import document
from unifiedqr.bench.results import Benchmark
from unifiedqr.compare.files import check_writable, write_whole
from unifiedqr.errors import InputError

parser = argparse.ArgumentParser(description="Write benchmark.json and benchmark.md from what `make bench` found.")
parser.add_argument("benchmark", type=Path, help="bench.json, as `make bench` writes it")
parser.add_argument("folder", type=Path, help="where to write, such as docs")
told = parser.parse_args()
numbers, text = told.folder / "benchmark.json", told.folder / "benchmark.md"
try:
    benchmark = Benchmark.read(told.benchmark)
    content = document(benchmark).encode()
    for path in (numbers, text):
        check_writable(path)
    benchmark.to_json(numbers)
    write_whole(text, content)
except InputError as error:
    parser.error(str(error))
