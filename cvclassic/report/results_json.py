"""results.json: everything that a run measured; docs/results.md describes it."""

import json

from pydantic import TypeAdapter

from cvclassic.runs.job import DatasetRecord, Outcome, Result, RunRecord
from cvclassic.study.advice import Question
from cvclassic.study.sentences import answer
from cvclassic.study.study import DatasetStudy, Study
from cvclassic.study.tables import accuracy_interval

_RUN, _DATASETS, _RESULT = (TypeAdapter(kind) for kind in (RunRecord, tuple[DatasetRecord, ...], Result))


def json_text(study: Study) -> str:
    """The run, its data sets, what is said of each, results with intervals, and the folds of pooled ones."""
    run = study.run
    content = {
        "schema_version": run.record.schema_version,
        "run": _RUN.dump_python(run.record, mode="json"),
        "datasets": _DATASETS.dump_python(run.datasets, mode="json"),
        "answers": [_answer(dataset) for dataset in study.datasets],
        "results": [_result(study, outcome) for outcome in study.outcomes],
        "folds": [_result(study, outcome) for outcome in run.outcomes if outcome.result.fold is not None],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _answer(dataset: DatasetStudy) -> dict[str, object]:
    advice = dataset.advice
    return {
        "dataset": dataset.name,
        "metric": dataset.metric,
        "taken": advice and advice.taken.name,
        "beats_baseline": advice and advice.beats_baseline,
        "questions": [_question(each) for each in dataset.questions if each.verdict is not None],
        "text": " ".join(answer(dataset)),
    }


def _question(question: Question) -> dict[str, object]:
    verdict = question.verdict
    return {
        "first": question.named[0].name,
        "second": question.named[1].name,
        "verdict": str(question.kind),
        "ahead": question.ahead and question.ahead.name,
        "still_learning": [each.name for each in question.unfinished],
        "difference": verdict.difference.estimate,
        "interval": list(verdict.interval),
        "confidence": verdict.confidence,
        "equivalence_interval": list(verdict.equivalence_interval),
        "equivalence_confidence": verdict.equivalence_confidence,
        "p_value": verdict.difference.p_value,
        "margin": verdict.margin,
        "method": verdict.difference.method,
    }


def _result(study: Study, outcome: Outcome) -> dict[str, object]:
    low, high = accuracy_interval(study, outcome) or (None, None)
    return _RESULT.dump_python(outcome.result, mode="json") | {"ci_low": low, "ci_high": high}
