"""The commands: flags to a `RunSpec`, sub-commands to one call each. Heavy imports wait for their use."""

from typing import Annotated

import typer

from cvclassic.cli.models import evaluate, export, inspect, predict, train
from cvclassic.cli.reports import check, report
from cvclassic.cli.run import Compare, compare, print_version

compare_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
compare_app.command(cls=Compare)(compare)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Compare)(compare)
app.command()(report)
app.command()(check)
app.command()(train)
app.command()(predict)
app.command()(evaluate)
app.command()(inspect)
app.command()(export)


@app.callback()
def cvclassic(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version, and exit.")
    ] = False,
) -> None:
    """Classical computer vision that is fast, and an honest comparison of it with neural networks."""
