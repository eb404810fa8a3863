"""Run every name of the Array API standard in every namespace and write docs/namespace.md, and its numbers.

``python ci/names.py FOLDER [BACKEND ...]`` runs the backends named, all by default, and keeps the others' columns.
"""

import json
import os
import sys
from pathlib import Path

from unifiedqr.discovery import backends, get_backend
from unifiedqr_lab.conformance.namespace_document import document
from unifiedqr_lab.conformance.namespace_table import names_of
from unifiedqr_lab.instruments import instruments

BACKENDS = ("numpy", "torch", "tensorflow", "mxnet", "jax", "mpmath")

for name in BACKENDS:
    os.environ.update(instruments(name).environment)

folder, chosen = Path(sys.argv[1]), sys.argv[2:] or BACKENDS
stored = folder / "namespace.json"
table = json.loads(stored.read_text())["table"] if stored.exists() else {}
for name in chosen:
    print(name, file=sys.stderr, flush=True)
    table[name] = names_of(get_backend(name))
table = {name: table[name] for name in BACKENDS if name in table}
versions = {name: (backends()[name].version or "").partition("+")[0] for name in table}
stored.write_text(json.dumps({"versions": versions, "table": table}, indent=1) + "\n")
(folder / "namespace.md").write_text(document(table, versions))
