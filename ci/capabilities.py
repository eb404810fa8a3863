"""Run the table of capabilities on this machine and write it, as numbers and as a document.

``python ci/capabilities.py FOLDER [--members | --sharded] [BACKEND ...]`` runs the backends named, all by default, and
keeps the others' rows; with ``--members`` it runs the tables of every member only, with ``--sharded`` that of spread
matrices.
"""

import json
import os
import sys
from pathlib import Path

from unifiedqr.discovery import backends, get_backend
from unifiedqr_lab.conformance.capabilities import capabilities_of, members_of
from unifiedqr_lab.conformance.capability_table import document
from unifiedqr_lab.conformance.sharded import run_engines
from unifiedqr_lab.conformance.sharded_table import rows_of, section
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.display import watching

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")
ENGINES = ("numpy", "torch", "jax", "dask")
"""Frameworks with ways to spread one matrix."""

options = {"--members", "--sharded"}.intersection(sys.argv)
arguments = [word for word in sys.argv[1:] if word not in options]
folder, chosen = Path(arguments[0]), arguments[1:] or tuple(dict.fromkeys((*FRAMEWORKS, *ENGINES)))
stored = folder / "capabilities.json"
before = json.loads(stored.read_text()) if stored.exists() else {}
table, members, sharded = (before.get(key, {}) for key in ("table", "members", "sharded"))
if options != {"--members"}:
    with watching() as watch:
        for name in ENGINES:
            if name in chosen:
                sharded[name] = rows_of(run_engines([name], watch=watch))
for name in FRAMEWORKS:
    os.environ.update(instruments(name).environment)
for name in () if options == {"--sharded"} else [name for name in FRAMEWORKS if name in chosen]:
    backend = get_backend(name)
    for transform in instruments(backend.name).transforms():
        if transform.name in instruments(name).on_every_member:
            print(name, transform.name, "of every member", file=sys.stderr, flush=True)
            members.setdefault(name, {})[transform.name] = members_of(backend, transform)
    if options == {"--members"}:
        continue
    table[name] = []
    for transform in instruments(backend.name).transforms():
        print(name, transform.name, file=sys.stderr, flush=True)
        verdicts = {"native": None, **capabilities_of(backend, transform)}
        table[name].append({"name": transform.name, "kind": transform.kind, "slow": transform.slow, **verdicts})
table, members = ({name: found[name] for name in FRAMEWORKS if name in found} for found in (table, members))
versions = {name: (backends()[name].version or "").partition("+")[0] for name in (*table, *sharded)}
told = {"versions": versions, "table": table, "members": members, "sharded": sharded}
for path, text in {
    stored: json.dumps(told, indent=1) + "\n",
    folder / "capabilities.md": document(table, versions, members, section(sharded, versions)),
}.items():
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
