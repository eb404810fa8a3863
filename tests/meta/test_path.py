"""How many functions of ours a small call passes through before the framework's own decomposition."""

import sys

import torch

import unifiedqr as uqr
from unifiedqr.discovery import names, plugin

OURS = {"unifiedqr", *(plugin(name).factory.partition(".")[0] for name in names())}


def path_to_the_kernel():
    """Return the functions that `qr` of an 8 x 8 tensor enters before `torch.linalg.qr`, each as (module, name)."""
    A, entered, reached = torch.eye(8), [], []

    def note(frame, event, argument):
        if event == "c_call" and argument.__name__ == "linalg_qr":
            reached.append(True)
        elif event == "call" and not reached:
            module = frame.f_globals["__name__"]
            if module.partition(".")[0] in OURS:
                entered.append((module, frame.f_code.co_qualname))

    uqr.qr(A)  # loads the backend
    outer = sys.getprofile()
    sys.setprofile(note)
    try:
        uqr.qr(A)
    finally:
        sys.setprofile(outer)
    assert reached
    return entered


def test_from_the_function_to_the_primitive_of_the_framework():
    entered = path_to_the_kernel()
    before = entered[: next(i for i, (module, _) in enumerate(entered) if module.startswith("unifiedqr.kernels"))]
    assert len(before) <= 6, before
    assert len({module for module, _ in before}) <= 4, before


def test_from_the_function_to_the_kernel_of_the_framework():
    entered = path_to_the_kernel()
    assert len(entered) <= 10, entered
    assert len({module for module, _ in entered}) <= 7, entered
