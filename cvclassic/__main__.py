"""`python -m cvclassic`: the same as the command `cvclassic`."""

from cvclassic.cli import app

if __name__ == "__main__":
    app(prog_name="cvclassic")
