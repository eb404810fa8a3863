"""A record: what one framework gave for a job, in a file that can be carried to where the others are."""

import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unifiedqr._typing import Array
from unifiedqr.errors import InputError
from unifiedqr_lab.compare.evaluate import Evaluation
from unifiedqr_lab.compare.job import Job
from unifiedqr_lab.files import read_archive, write_archive
from unifiedqr_lab.workers.processes import processor, threads

FORMAT = "unifiedqr-record"
VERSION = 2
READ = (1, 2)
"""Versions that are read; version 1 has no processor, threads and linear algebra."""
TRUTH = "truth"
"""The backend name under which the reference is recorded."""


@dataclass(frozen=True)
class Environment:
    """Where a record was made."""

    backend: str
    version: str
    device: str
    python: str
    platform: str
    unifiedqr: str
    processor: str = ""
    threads: int = 0
    blas: str = ""

    @classmethod
    def here(cls, backend: str, version: str, device: str, unifiedqr: str, blas: str = "") -> "Environment":
        """Describe this process."""
        machine = f"{platform.system()} {platform.machine()}"
        python = platform.python_version()
        return cls(backend, version, device, python, machine, unifiedqr, processor(), threads(), blas)

    @property
    def place(self) -> str:
        """The machine and the Python in words."""
        counted = f"{self.threads} {'thread' if self.threads == 1 else 'threads'}" if self.threads else ""
        return ", ".join(filter(None, (self.processor, counted, self.platform, f"Python {self.python}")))


@dataclass(frozen=True)
class Record:
    """One framework's outcomes for every case and derivative of a job."""

    environment: Environment
    job: Job
    outcomes: dict[tuple[str, str], Evaluation]

    def write(self, path: Path) -> None:
        """Write the record as an .npz file."""
        arrays: dict[str, Array] = {f"input.{key}": array for key, array in self.job.arrays.items()}
        told: list[dict[str, Any]] = []
        for position, ((case_id, derivative), given) in enumerate(self.outcomes.items()):
            keys = {name: f"result.{position}.{name}" for name in given.arrays}
            arrays.update({keys[name]: array for name, array in given.arrays.items()})
            told.append(
                {
                    "case": case_id,
                    "derivative": derivative,
                    "status": given.status,
                    "reason": given.reason,
                    "via": given.via,
                    "seconds": given.seconds,
                    "arrays": keys,
                }
            )
        header = {
            "format": FORMAT,
            "version": VERSION,
            "environment": vars(self.environment),
            "job": self._portable_job().header(),
            "outcomes": told,
        }
        write_archive(path, header, arrays)

    def _portable_job(self) -> Job:
        """Return the job without what means something on this machine only."""
        function = self.job.function
        if function is not None and function.path is not None:
            function = replace(function, path=Path(function.path).name)
        return replace(self.job, function=function, extra={})

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a record.

        Raises
        ------
        InputError
            The file is missing, no record, damaged, or of another version of the format.
        """
        header, arrays = read_archive(path, FORMAT)
        if header.get("version") not in READ:
            known = " and ".join(map(str, READ))
            raise InputError(f"{path} is a record of format version {header.get('version')}; {known} are read.")
        try:
            inputs = {key[len("input.") :]: array for key, array in arrays.items() if key.startswith("input.")}
            job = Job.from_header(header["job"], inputs)
            for case in job.cases:
                job.inputs_of(case)
            outcomes = {
                (told["case"], told["derivative"]): Evaluation(
                    told["status"],
                    told["reason"],
                    told["via"],
                    {name: arrays[key] for name, key in told["arrays"].items()},
                    told["seconds"],
                )
                for told in header["outcomes"]
            }
            return cls(Environment(**header["environment"]), job, outcomes)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{path} is a damaged record ({type(error).__name__}: {error}).") from error
