"""One run on a few digits, as a command would do it: `python one_run.py FOLDER '{"pipelines": [...], ...}'`.

It prints the status of each job, and ends with 130 where it is interrupted.
"""

import contextlib
import json
import sys
from pathlib import Path

from cvclassic import datasets
from cvclassic.runs.folder import RunFolder
from cvclassic.runs.interrupt import interruptible
from cvclassic.runs.local import run_locally
from cvclassic.runs.pipelines import find_pipelines
from cvclassic.runs.plan import RunData, plan
from cvclassic.runs.spec import RunSpec


def main(path: Path, fields: dict) -> int:
    spec = RunSpec(**fields)
    data = RunData.of(spec, [datasets.load("digits", train_size=300)], find_pipelines(spec.pipelines))
    try:
        with interruptible(), RunFolder.create(path) as folder:
            outcomes = run_locally(plan(data)[0], data, folder, listen=lambda *told: None)
            with contextlib.closing(outcomes):
                for outcome in outcomes:
                    print(outcome.result.status, flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
