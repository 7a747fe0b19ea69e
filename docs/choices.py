"""For the reference: `{"a", "b"}` of a docstring stands there as one of "a", "b".

Griffe reads what it can as Python, and texts in it as names of types: "L2-Hys" became a difference of two. "one of"
is no Python.
"""

import re

import griffe

_CHOICES = re.compile(r"^( *[\w, ]+ : )\{(.+)\}", re.MULTILINE)


class Choices(griffe.Extension):
    """Spells out the values that a parameter can have."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = _CHOICES.sub(r"\1one of \2", obj.docstring.value)
