"""Which precision a network trains fastest in on this processor."""

from pathlib import Path

# Of Linux's names for what a processor can do: products of bfloat16 in tiles, in vectors.
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def fastest_precision(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`"mixed_bfloat16"` where the processor multiplies bfloat16 by itself (Linux on x86), `"float32"` elsewhere.

    What docs/champions.md says of both was measured on a processor with AMX.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return "float32"
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "mixed_bfloat16" if BFLOAT16_FLAGS & set(flags) else "float32"
