"""Run the table of capabilities on this machine and write it, as numbers and as a document.

``python ci/capabilities.py FOLDER [--members] [BACKEND ...]`` runs the backends named, all by default, and keeps the
others' rows; with ``--members`` it runs the tables of every member only.
"""

import json
import os
import sys
from pathlib import Path

from unifiedqr.discovery import backends, get_backend
from unifiedqr_lab.conformance.capabilities import capabilities_of, members_of
from unifiedqr_lab.conformance.capability_table import document
from unifiedqr_lab.instruments import instruments

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")

for name in FRAMEWORKS:
    os.environ.update(instruments(name).environment)

members_only, arguments = "--members" in sys.argv, [word for word in sys.argv[1:] if word != "--members"]
folder, chosen = Path(arguments[0]), arguments[1:] or FRAMEWORKS
stored = folder / "capabilities.json"
before = json.loads(stored.read_text()) if stored.exists() else {}
table, members = before.get("table", {}), before.get("members", {})
for name in chosen:
    backend = get_backend(name)
    for transform in instruments(backend.name).transforms():
        if transform.name in instruments(name).on_every_member:
            print(name, transform.name, "of every member", file=sys.stderr, flush=True)
            members.setdefault(name, {})[transform.name] = members_of(backend, transform)
    if members_only:
        continue
    table[name] = []
    for transform in instruments(backend.name).transforms():
        print(name, transform.name, file=sys.stderr, flush=True)
        verdicts = {"native": None, **capabilities_of(backend, transform)}
        table[name].append({"name": transform.name, "kind": transform.kind, "slow": transform.slow, **verdicts})
table, members = ({name: found[name] for name in FRAMEWORKS if name in found} for found in (table, members))
versions = {name: (backends()[name].version or "").partition("+")[0] for name in table}
for path, text in {
    stored: json.dumps({"versions": versions, "table": table, "members": members}, indent=1) + "\n",
    folder / "capabilities.md": document(table, versions, members),
}.items():
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
