"""Does another draw of the splits turn a claim round? The same comparison with ten seeds, and what each says.

    python benchmarks/splits.py FOLDER [--pipelines hog_svm mlp] [--seeds 10]

of a folder of pictures, by the defaults of `cvclassic.compare`: five folds, the contender of a family chosen inside
each. Ends with exit code 1 where one seed says that the first is better and another that the second is.
"""

import argparse
from collections.abc import Iterator

import cvclassic
from cvclassic.study.verdicts import Kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--pipelines", nargs=2, default=["hog_svm", "mlp"])
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    first, second = arguments.pipelines
    print(f"| seed | `{first}` | `{second}` | difference | verdict |\n| ---: | ---: | ---: | ---: | --- |", flush=True)
    ahead = set()
    for cells, leader in rows(arguments.folder, arguments.pipelines, arguments.seeds):
        print(f"| {' | '.join(cells)} |", flush=True)
        ahead |= {leader} - {None}
    raise SystemExit(int(len(ahead) > 1))


def rows(folder: str, pipelines: list[str], n_seeds: int) -> Iterator[tuple[list[str], str | None]]:
    """For each seed the cells of its row, and the pipeline that is said to be better."""
    for seed in range(n_seeds):
        comparison = cvclassic.compare(folder, pipelines=pipelines, seed=seed)
        [dataset] = comparison.study
        [question] = dataset.questions
        sides = {each.pipeline: each for each in question.sides}
        scores = [sides[name].mean(sides[name].test_figure) for name in pipelines]
        sign = 1 if question.named[0].pipeline == pipelines[0] else -1
        low, high = sorted(sign * 100 * bound for bound in question.verdict.interval)
        leader = question.ahead and question.kind is not Kind.UNDECIDED and question.ahead.pipeline
        verdict = {Kind.UNDECIDED: "undecided", Kind.EQUIVALENT: "equivalent"}.get(
            question.kind, f"{leader} is better" + " by more than the margin" * (question.kind is Kind.BETTER_BY_MARGIN)
        )
        gap = f"{100 * (scores[0] - scores[1]):.1f} ({low:.1f} to {high:.1f})"
        yield [str(seed), *(f"{100 * score:.1f} %" for score in scores), gap, verdict], leader or None


if __name__ == "__main__":
    main()
