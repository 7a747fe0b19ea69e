"""For the reference: `{"a", "b"}` of a docstring stands there as "a" or "b".

Griffe takes texts in braces for names of types, and `"L2-Hys"` for a difference of two.
"""

import re

import griffe

_CHOICES = re.compile(r"^( *[\w, ]+ : )\{(.+), ([^,]+)\}", re.MULTILINE)


class Choices(griffe.Extension):
    """Spells out the values that a parameter can have."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = _CHOICES.sub(r"\1\2 or \3", obj.docstring.value)
