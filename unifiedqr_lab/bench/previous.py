"""The process in which an earlier release of unifiedqr is timed: ``python -P previous.py NAME OURS``.

It runs with that release first on its path, and uses its `unifiedqr` and its instruments of a framework, which every
release has. From the present release it runs two files: this one, and OURS, the functions as they are measured. It
answers each line of JSON with another:

    {"case": NAME, "arrays": FILE, "inputs": n, "cotangents": n}  ->  {"ready": [quantity, ...], "reason": TEXT}
    {"run": quantity, "untimed": n, "timed": n}                   ->  {"seconds": SECONDS of a timed call}
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("measured_functions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # TensorFlow looks for the source of its functions
    spec.loader.exec_module(module)
    return module


class Server:
    """One framework with an earlier release of ours."""

    def __init__(self, name: str, path: str) -> None:
        from unifiedqr_lab.instruments import instruments

        self.instruments: Any = instruments(name)
        os.environ.update(self.instruments.environment)  # before the framework is imported
        import unifiedqr as uqr

        self.backend: Any = uqr.get_backend(name)
        self.functions: Any = _module(path)
        self.runs: dict[str, Callable[[], object]] = {}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to what was asked."""
        if "case" in asked:
            self.runs = {}
            self.instruments.release()
            try:
                self._prepare(asked)
            except Exception as error:  # whatever the framework raises: that release cannot do it
                return {"ready": list(self.runs), "reason": f"{type(error).__name__}: {error}".splitlines()[0]}
            return {"ready": list(self.runs), "reason": ""}
        run = self.runs[asked["run"]]
        for _ in range(asked["untimed"]):
            run()
        start = time.perf_counter()
        for _ in range(asked["timed"]):
            run()
        return {"seconds": (time.perf_counter() - start) / asked["timed"]}

    def _prepare(self, asked: dict[str, Any]) -> None:
        """Make the runs of a case, each of which has run once, so that it is compiled."""
        name = asked["case"]
        f: Any = self.functions.ours(name)
        if name in self.functions.COMPILED:
            f = self.instruments.compiled(f)
        with np.load(asked["arrays"], allow_pickle=False) as stored:
            arrays = [self.backend.from_numpy(stored[f"arr_{i}"]) for i in range(asked["inputs"] + asked["cotangents"])]
        inputs, cotangents = tuple(arrays[: asked["inputs"]]), tuple(arrays[asked["inputs"] :])
        program = self.instruments.program(f)

        def forward() -> object:
            outputs = program(*inputs)
            self.instruments.wait(tuple(outputs))
            return outputs

        forward()
        self.runs["forward"] = forward
        if "vjp" not in self.backend.plugin.capabilities:
            return
        gradients = self.instruments.gradient_program(f)

        def both() -> object:
            outputs, bars = gradients(inputs, cotangents)
            self.instruments.wait((*outputs, *bars))
            return outputs, bars

        both()
        self.runs["both"] = both


def main() -> None:
    """Answer every line until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is not an answer
    server = Server(*sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
