"""Texts of any origin made harmless where they are shown: names of classes and files, messages of errors."""

import re

_BREAKS = re.compile("[\t-\r\x1c-\x1f\x85\u2028\u2029]")
# Control characters (escape codes of terminals begin with one), what turns the direction of the text that follows, and
# halves of surrogate pairs, which no file can hold.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# A spreadsheet runs a cell that begins so.
_FORMULA = re.compile(r"\s*[=+@-]|[\t\r\n]")


def harmless(text: str) -> str:
    """`text` in one line, with a replacement character for whatever changes how other text looks."""
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", _BREAKS.sub(" ", text))


def harmless_cell(text: str) -> str:
    """`text` as the cell of a spreadsheet, in one line; where that would take it for a formula with an apostrophe."""
    return ("'" if _FORMULA.match(text) and not _is_number(text) else "") + harmless(text)


def _is_number(text: str) -> bool:
    """Whether it is one, such as the value of a setting."""
    try:
        float(text)
    except ValueError:
        return False
    return True
