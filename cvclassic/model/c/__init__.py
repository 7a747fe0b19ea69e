"""A fitted classical pipeline as one C99 header: from pixels to class, for microcontrollers and other C programs."""

from cvclassic.model.c.export import agreement, to_c

__all__ = ["agreement", "to_c"]
