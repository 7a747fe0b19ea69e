#!/usr/bin/env python3
"""Train classical and neural pipelines on the same splits and print the accuracy report. See --help."""

from cvclassic.cli import compare_app

if __name__ == "__main__":
    compare_app()
