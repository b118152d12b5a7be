"""Examine a segmentation run that does not work, in the order of a checklist."""

import dataclasses

DISEASES = (
    "interpolated labels",  # label maps resized bilinearly
    "void as a class",
    "preprocessing twice",
    "red and blue swapped",
    "flipped labels",  # or flipped images, one without the other
    "softmax twice",
    "all weights zero",
    "learning rate",  # too small or too large; the evidence says which
    "background score",  # a score that the commonest class alone earns
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A disease that the evidence names.

    Attributes:
        name: One of `DISEASES`.
        evidence: String, what was seen, with numbers.
        cure: String, what to try next.
    """

    name: str
    evidence: str
    cure: str


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An examination that lacked evidence.

    Attributes:
        name: One of `DISEASES`.
        reason: String, what was missing and what would tell.
    """

    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Report:
    """What `examine` found; `print(report)` says it in plain words.

    Attributes:
        findings: Tuple of `Finding`, in the order of `DISEASES`.
        unknown: Tuple of `Unknown`, in the order of `DISEASES`.
        notes: Tuple of strings, other symptoms, with numbers.
    """

    findings: tuple = ()
    unknown: tuple = ()
    notes: tuple = ()

    @property
    def diseases(self):
        """Tuple of the names found, in the order of `DISEASES`; empty if healthy."""
        return tuple(finding.name for finding in self.findings)

    def __str__(self):
        """Return the report as text."""
        lines = []
        for finding in self.findings:
            lines += [
                f"Found: {finding.name}.",
                f"  Evidence: {finding.evidence}",
                f"  Try next: {finding.cure}",
            ]
        lines = lines or ["Found none of the nine diseases."]
        lines += [f"Also seen: {note}" for note in self.notes]
        lines += [f"Could not tell: {gap.name}. {gap.reason}" for gap in self.unknown]
        return "\n".join(lines)


def examine(model, batches, history=None, reported=None):
    """Run the examinations of the checklist on a segmentation model and its data."""
    return Report()
