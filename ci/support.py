"""Write the support table of a document from what the conformance suite sees on this machine."""

import os
import sys
from pathlib import Path

from unifiedqr.discovery import backends
from unifiedqr_lab.conformance.runner import run_suite
from unifiedqr_lab.conformance.support import replaced, support_table
from unifiedqr_lab.instruments import instruments

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")

for name in FRAMEWORKS:
    os.environ.update(instruments(name).environment)
results = {name: run_suite([name]) for name in FRAMEWORKS}
versions = {name: backends()[name].version or "" for name in FRAMEWORKS}
document = Path(sys.argv[1])
document.write_text(replaced(document.read_text(), support_table(results, versions)))
