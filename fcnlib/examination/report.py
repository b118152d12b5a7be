"""The nine diseases with their cures, and the report of an examination."""

import dataclasses

from fcnlib.datasets import VOID

CURES = {
    "interpolated labels": "Resize label maps by nearest neighbor "
    '(cv2.INTER_NEAREST, interpolation="nearest") and store them as PNG files.',
    "void as a class": f"Give void pixels the label {VOID} and the loss "
    f"ignore_class={VOID}, or weight them with 0.",
    "preprocessing twice": "Prepare the colors in one place: in the model's first "
    "layers, and give it RGB from 0 to 255, or in the pipeline alone.",
    "red and blue swapped": "Read images as RGB in training and in use; cv2.imread "
    "gives BGR, which cv2.cvtColor(image, cv2.COLOR_BGR2RGB) turns.",
    "flipped labels": "Draw one random number for image and label map together, and "
    "look at both after augmentation.",
    "softmax twice": "Let the last layer give logits, without an activation, and use "
    "from_logits=True; or keep one softmax and from_logits=False.",
    "all weights zero": "Start the kernels at random (he_normal, glorot_uniform). "
    "Only layers that score classes may start at zero, where features reach them.",
    "learning rate": "Change the rate by a factor of 10 until the loss falls; Adam "
    "often starts at 1e-3. A rate for a mean loss, divided by the pixels of a batch, "
    "suits a summed loss.",
    "background score": "Count one confusion matrix over all images and report its "
    "mean IoU and the IoU of each class, beside those of a constant prediction.",
}
DISEASES = tuple(CURES)  # in the order in which they are looked for


@dataclasses.dataclass(frozen=True)
class Finding:
    """A disease that the evidence names.

    Attributes:
        name: One of `DISEASES`.
        evidence: String, what was seen, with numbers.

    Example:
        >>> Finding("flipped labels", "30 of 32 pairs fit when flipped.").cure
        'Draw one random number for image and label map together...'
    """

    name: str
    evidence: str

    @property
    def cure(self):
        """String, what to try next."""
        return CURES[self.name]

    def __str__(self):
        """Return the finding as text."""
        return (
            f"Found: {self.name}.\n  Evidence: {self.evidence}\n  Try next: {self.cure}"
        )


@dataclasses.dataclass(frozen=True)
class Unknown:
    """An examination that lacked evidence.

    Attributes:
        name: One of `DISEASES`.
        reason: String, what was missing and what would tell.

    Example:
        >>> print(Unknown("background score", "No score was reported."))
        Could not tell: background score. No score was reported.
    """

    name: str
    reason: str

    def __str__(self):
        """Return the gap as text."""
        return f"Could not tell: {self.name}. {self.reason}"


@dataclasses.dataclass(frozen=True)
class Report:
    """What an examination found; `print(report)` says it in plain words.

    Attributes:
        findings: Tuple of `Finding`, in the order of `DISEASES`.
        unknown: Tuple of `Unknown`, in the order of `DISEASES`.
        notes: Tuple of strings, other symptoms, with numbers.

    Example:
        >>> print(Report(notes=("The images are small.",)))
        Found none of the nine diseases.
        Also seen: The images are small.
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
        found = self.findings or ("Found none of the nine diseases.",)
        notes = [f"Also seen: {note}" for note in self.notes]
        return "\n".join(map(str, (*found, *notes, *self.unknown)))
