"""evidence -> latency, fidelity, verdict, score; called by session, table and replay alike."""

from bokehbench.analysis.challenge import final_score
from bokehbench.analysis.latency import summarize_evidence
from bokehbench.analysis.verdict import judge, status_of
from bokehbench.facts import Derived, Evidence, Fidelity, Finding, Latency
from bokehbench.fidelity.scoring import aggregate

RULES = "4"
"""Version of the rules below and of those they call; a change of any number raises it."""

CHALLENGE_BACKEND = "gpu"


def derive(evidence: Evidence, *, score_backend: str = CHALLENGE_BACKEND) -> Derived:
    """Everything that today's rules make of one Record's evidence.

    The score is None (N.A.) unless the record ran on `score_backend`, which for the
    challenge is the GPU and nothing else.
    """
    latency = summarize_evidence(evidence)
    fidelity = _fidelity(evidence)
    findings = judge(evidence, latency, fidelity)
    status = status_of(findings)
    return Derived(
        rules=RULES,
        status=status,
        reasons=tuple(finding.code for finding in findings),
        findings=findings,
        latency=latency,
        fidelity=fidelity,
        score=_score(evidence, latency, fidelity, findings, score_backend),
        score_backend=score_backend if evidence.backend == score_backend else None,
    )


def _fidelity(evidence: Evidence) -> Fidelity | None:
    if evidence.dataset is None:
        return None
    return aggregate(evidence.fidelity_protocol, evidence.images, same_shape=_same_shape(evidence))


def _same_shape(evidence: Evidence) -> bool:
    """Whether every image went through the model at the shape that was timed."""
    size = evidence.io.inputs[0].size
    height, width = evidence.timing_shape[1:3] if len(evidence.timing_shape) == 4 else (0, 0)
    return all(
        (round(image.height * size), round(image.width * size)) == (height, width)
        for image in evidence.images
        if image.status == "ok" and image.height is not None and image.width is not None
    )


def _score(
    evidence: Evidence,
    latency: Latency,
    fidelity: Fidelity | None,
    findings: tuple[Finding, ...],
    score_backend: str,
) -> float | None:
    if evidence.backend != score_backend or fidelity is None:
        return None
    blocked = any(f.effect == "invalid" or f.code == "software_gpu" for f in findings)
    if blocked or latency.median_ms is None or fidelity.psnr is None:
        return None
    return final_score(fidelity.psnr, latency.median_ms)
