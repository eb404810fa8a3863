"""The section on spread matrices of a comparison, of engines that are right and of one that is not."""

from dataclasses import replace

from unifiedqr_lab.compare.comparison import Comparison
from unifiedqr_lab.conformance.capabilities import OURS, WRONG
from unifiedqr_lab.conformance.sharded import EngineFinding

GOOD = EngineFinding("numpy", "engine", "vjp", "vjp", "qr", "float64", OURS, 1e-16, 1e-14)
BAD = replace(GOOD, verdict=WRONG, error=1.0)
LACKS = replace(GOOD, verdict="refused: CapabilityError", error=None, bound=None)
RAISED = replace(LACKS, verdict="refused: ZeroDivisionError")


def test_a_comparison_tells_who_is_wrong(small_job, small_records, tmp_path):
    records = {name: small_records[name] for name in ("numpy", "torch")}
    comparison = Comparison(small_job, records, small_records["truth"])
    comparison.sharded = (GOOD, LACKS)
    assert comparison.status == "agreement"
    comparison.sharded = (BAD,)
    assert comparison.status == "disagreement"
    assert comparison.verdict() == "No agreement: numpy (engine) disagrees in qr."
    assert "numpy engine, vjp, qr, float64: WRONG" in comparison.objections()
    comparison.to_markdown(tmp_path / "c.md")
    assert "| numpy | engine | vjp | 1.0e+00 | 1e+14 x | WRONG |" in (tmp_path / "c.md").read_text()
    comparison.to_html(tmp_path / "c.html")
    assert "<h2>Spread matrices</h2>" in (tmp_path / "c.html").read_text()
    comparison.sharded = (RAISED,)
    assert comparison.status == "not established"
