"""``unifiedqr backends``."""

from typing import Annotated

import typer


def backends(
    devices: Annotated[bool, typer.Option("--devices", help="Import each framework and list its devices.")] = False,
) -> None:
    """List the backends: version, whether available and why not, what they can differentiate."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    import unifiedqr
    from unifiedqr.backend import CAPABILITIES
    from unifiedqr.errors import UnifiedQRError

    console = Console(highlight=False)
    table = Table("backend", "version", "available", *CAPABILITIES, *(["devices"] if devices else []))
    reasons: list[str] = []
    for name, info in unifiedqr.backends().items():
        found, reason = "", info.reason
        if devices and info.available:
            try:
                found = ", ".join(unifiedqr.get_backend(name).devices())
            except UnifiedQRError as error:
                reason = str(error)
        if reason:
            advice = ". Reinstall the framework, or uninstall it to have it left out." if info.version else ""
            reasons.append(f"{name}: {' '.join(reason.split())}{advice}")
        able = ["yes" if capability in info.capabilities else "-" for capability in CAPABILITIES]
        row = (name, info.version or "-", "no" if reason else "yes", *able, *([found] if devices else []))
        table.add_row(*map(escape, row), style="dim" if reason else None)
    console.print(table)
    for line in reasons:
        console.print(escape(line), soft_wrap=True)
