"""results.json: everything that a run measured; docs/results.md describes it."""

import json

from pydantic import TypeAdapter

from cvclassic.runs.job import DatasetRecord, Outcome, Result, RunRecord
from cvclassic.study.study import Study
from cvclassic.study.tables import accuracy_interval

_RUN, _DATASETS, _RESULT = (TypeAdapter(kind) for kind in (RunRecord, tuple[DatasetRecord, ...], Result))


def json_text(study: Study) -> str:
    """The run, its data sets, its results with the intervals of their accuracies, and the folds of pooled ones."""
    run = study.run
    content = {
        "schema_version": run.record.schema_version,
        "run": _RUN.dump_python(run.record, mode="json"),
        "datasets": _DATASETS.dump_python(run.datasets, mode="json"),
        "results": [_result(study, outcome) for outcome in study.outcomes],
        "folds": [_result(study, outcome) for outcome in run.outcomes if outcome.result.fold is not None],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _result(study: Study, outcome: Outcome) -> dict[str, object]:
    low, high = accuracy_interval(study, outcome) or (None, None)
    return _RESULT.dump_python(outcome.result, mode="json") | {"ci_low": low, "ci_high": high}
