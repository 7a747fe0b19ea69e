"""What a check of a data set found, in the terminal and as JSON."""

import json

from rich.console import Console
from rich.text import Text

from cvclassic.datasets.doctor.finding import NOTE, SEVERE, WARNING, Check
from cvclassic.harmless import harmless

_STYLES = {SEVERE: "bold red", WARNING: "yellow", NOTE: "dim"}


def print_check(check: Check, console: Console) -> None:
    """Print what was looked at, then each finding, severe ones first."""
    console.print(Text(harmless(" ".join(filter(None, [check.summary, check.files])))))
    for finding in check.findings:
        head = Text(f"{finding.severity}: {finding.kind.replace('_', ' ')}", style=_STYLES[finding.severity])
        console.print()
        console.print(head)
        console.print(Text(harmless(finding.text)))
    console.print()
    if not check.findings:
        console.print("Nothing was found that would harm a comparison.")
    elif any(finding.files for finding in check.findings):
        console.print("The names of all files: --json.")


def check_json(check: Check) -> str:
    """Everything as JSON, in ASCII: names of files and classes are there with all their characters, escaped."""
    return json.dumps(check.to_dict(), indent=1, allow_nan=False)
