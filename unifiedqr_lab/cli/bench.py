"""``unifiedqr bench``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from unifiedqr.errors import InputError
from unifiedqr_lab.bench.cases import GROUPS, ON_DEMAND, select_cases
from unifiedqr_lab.cli import options


def bench(
    backends: options.Backends = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help=f"Groups of cases, comma-separated: {', '.join(GROUPS)}.",
            show_default=f"all but {', '.join(ON_DEMAND)}; with --device {', '.join(ON_DEMAND)} alone",
            autocompletion=options.completing(lambda: GROUPS),
        ),
    ] = None,
    case: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only cases whose name contains this.", show_default=False)
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:SHAPE:DTYPE",
            help="A case instead of the groups, such as qr:10x64x8:float64; repeatable.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.0, help="Time for each case, in each framework.")] = 6.0,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="Measure peak memory too.")] = True,
    sharded: Annotated[
        bool,
        typer.Option(
            "--sharded",
            help="Measure one matrix spread over workers instead (--shape gives another): CPU time per worker with "
            "1 and 2, and bytes received by each of 2 and 8.",
        ),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="WHEEL",
            help="The wheel of an earlier release, which is timed in the same rounds.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Measure on a device such as cuda, and print for which matrices CholeskyQR is faster there.",
            show_default=False,
        ),
    ] = None,
    report: options.Report = None,
    json: options.Json = None,
    markdown: options.Markdown = None,
    timeout: options.Timeout = 36000.0,
) -> None:
    """Measure unifiedqr against each framework's own functions: time, rate and memory of values and derivatives.

    Exit status: 0 measured, 2 bad input, 3 a framework failed or time ran out, 128 + n interrupted by signal n.
    """
    from rich.console import Console

    import unifiedqr
    from unifiedqr_lab.bench.benchmark import choose_backends, run_benchmark
    from unifiedqr_lab.bench.document import brief
    from unifiedqr_lab.bench.machine import Machine
    from unifiedqr_lab.bench.release import version_of
    from unifiedqr_lab.bench.report import render
    from unifiedqr_lab.bench.results import Benchmark
    from unifiedqr_lab.bench.sharded import CASE, run_scaling
    from unifiedqr_lab.bench.table import tables
    from unifiedqr_lab.files import check_outputs, write_whole
    from unifiedqr_lab.workers.display import watching

    check_outputs(report, json, markdown)
    if shape and (group or case):
        raise InputError("--shape replaces the groups; leave out --group and --case.")
    if sharded and (group or case or len(shape or ()) > 1):
        raise InputError("--sharded measures one case, which --shape may give; leave out --group and --case.")
    if (sharded and (device or against is not None)) or (device and against is not None):
        raise InputError("--sharded, --device and --against measure different things; give one of them.")
    groups = options.names("group", group)
    cases = (
        select_cases(None, None, shape or (CASE,))
        if sharded
        else select_cases(ON_DEMAND if device and groups is None else groups, case, shape or ())
    )
    names = choose_backends(options.names("backends", backends))
    if against is not None:
        version_of(against)  # which reports a bad wheel before anything is measured
    with watching() as watch:
        if sharded:
            found = run_scaling(cases[0], names, timeout=timeout, watch=watch)
            benchmark = Benchmark(Machine.here(1, unifiedqr.__version__), seconds, (), (), sharded=found)
        else:
            benchmark = run_benchmark(
                cases,
                names,
                seconds=seconds,
                with_memory=memory,
                against=against,
                device=device or "",
                timeout=timeout,
                watch=watch,
            )
    benchmark = replace(benchmark, command=options.command())
    if report is not None:
        write_whole(report, render(benchmark).encode())
    if json is not None:
        benchmark.to_json(json)
    if markdown is not None:
        write_whole(markdown, brief(benchmark).encode())
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 140)  # a pipe has no width: do not wrap the tables
    console.print(tables(benchmark))
    failed = any(framework.failure for framework in benchmark.frameworks)
    raise typer.Exit(3 if failed or (benchmark.sharded and benchmark.sharded.failures) else 0)
