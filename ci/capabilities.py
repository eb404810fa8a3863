"""Run the table of capabilities on this machine and write it, as numbers and as a document.

``python ci/capabilities.py FOLDER [BACKEND ...]`` runs the backends named, all by default, and keeps the others' rows.
"""

import json
import os
import sys
from pathlib import Path

from unifiedqr.conformance.capabilities import capabilities_of
from unifiedqr.conformance.capability_table import document
from unifiedqr.discovery import backends, get_backend, plugin

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")

for name in FRAMEWORKS:
    os.environ.update(plugin(name).environment)

folder, chosen = Path(sys.argv[1]), sys.argv[2:] or FRAMEWORKS
stored = folder / "capabilities.json"
table = json.loads(stored.read_text())["table"] if stored.exists() else {}
for name in chosen:
    backend = get_backend(name)
    table[name] = []
    for transform in backend.transforms():
        print(name, transform.name, file=sys.stderr, flush=True)
        verdicts = {"native": None, **capabilities_of(backend, transform)}
        table[name].append({"name": transform.name, "kind": transform.kind, "slow": transform.slow, **verdicts})
table = {name: table[name] for name in FRAMEWORKS if name in table}
versions = {name: (backends()[name].version or "").partition("+")[0] for name in table}
for path, text in {
    stored: json.dumps({"versions": versions, "table": table}, indent=1) + "\n",
    folder / "capabilities.md": document(table, versions),
}.items():
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
