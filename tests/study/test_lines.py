"""What a reader must know besides the answer: the lines of a report's header, and those under a data set."""

from dataclasses import replace

from cvclassic.runs.job import Trial, Tuning
from cvclassic.study.lines import (
    description_lines,
    failure_lines,
    header_lines,
    job_words,
    question_lines,
    remark_lines,
)
from cvclassic.study.study import Study
from tests.made_runs import job, make_run, make_study


def test_the_header_says_what_was_asked_and_what_is_damaged():
    study = make_study(
        [job("mlp", "neural", 10, seed=3, settings={"dropout": "0", "depth": "1"})],
        seed=3, repeats=2, sweep={"batch_size": ["32", "64"]}, settings={"dropout": "0"}, train_sizes=(100, "all"),
        time_budget=60, tune=120, timeout=600, memory_limit=2, experiment="depth", notes=("mnist was left out",),
        problems=("the predictions of mlp can't be read",),
    )  # fmt: skip
    assert header_lines(study) == [
        "Experiment depth",
        "Run of 2026-01-01T00:00:00+00:00; preset standard; seed 3; 2 threads",
        "Machine: a machine, 2 cores",
        "Versions: python 3.11",
        "Training stack of the neural pipelines: optimizer adam, epochs 4, monitor val_loss, batch size swept",
        "Settings: dropout=0",
        "Swept: batch_size = 32, 64",
        "Each setting with seeds 3 to 4, on the splits of seed 3",
        "Training sizes: 100, all images, validation included; nested, with the same test images",
        "Time budget: 60 s for each fit; networks stop there, and a fit that takes 5 % and 1 s more is over budget",
        "Tuning: before each fit the pipeline searches its own space for 120 s, on held-out images that are no test "
        "images; a fit that can't be interrupted may end later",
        "Limits of each job: 600 s and 2 GiB",
        "Note: mnist was left out",
        "Warning: the predictions of mlp can't be read",
    ]
    assert not any("Limits" in line for line in header_lines(make_study([job("svm", "classical", 1)])))


def test_the_header_names_the_machines_that_jobs_ran_on_and_warns_where_they_differ():
    old, new = "an old machine, 2 cores, 4 GiB, 1 thread", "a new machine, 8 cores, 16 GiB, 8 threads"
    alike = [job(name, "classical", 10, machine=old) for name in ("svm", "hog")]
    [line] = [line for line in header_lines(make_study(alike)) if line.startswith(("Machine", "Warning"))]
    assert line == f"Machine: {old}"
    lines = header_lines(make_study([*alike, job("cnn", "neural", 20, machine=new)]))
    assert f"Machines: {old} (2 jobs); {new} (1 job)" in lines
    assert [line for line in lines if line.startswith("Warning: jobs ran on different machines")]


def test_description_remarks_and_failures():
    tried = (Trial({}, 500, 1.0, 50, 0.8, 0.1), Trial({"C": 10.0, "signed": True}, 500, 1.0, 50, 0.9, 0.1))
    chosen = {"tuning": Tuning({"C": 10.0, "signed": True}, 0.9, 0.8, tried)}
    kept, none = (
        {"tuning": Tuning({}, 0.8, 0.8, tried)},
        {"tuning": Tuning({}, None, None, (), "no search space declared")},
    )
    took = {"tuning_seconds": 12.3, "tuning_candidates": 2}
    jobs = [
        job("svm", "classical", 10, 70.0, over_budget=True, warnings=("slow",), **chosen, **took),
        job("hog", "classical", 10, n_train_scored=500, warnings=("odd", "odd"), **kept, **took),
        job("mine", "classical", 10, tuning_seconds=0.0, tuning_candidates=0, **none),
        job("cnn", "neural", "failed: ValueError: no", settings={"depth": "2"}),
    ]
    jobs[0][-1].update(corruptions={"blur": [0.9] * 5, "JPEG": [0.8] * 5}, n_corrupted=200)
    run = make_run(jobs, settings={"depth": "2"}, time_budget=60)
    own = [replace(each, published="99 %", stack={"epochs": 5, "schedule": None}) for each in run.record.pipelines]
    run = replace(
        run, record=replace(run.record, pipelines=(run.record.pipelines[0], own[1], *run.record.pipelines[2:]))
    )
    study = Study(replace(run, datasets=(replace(run.datasets[0], warnings=("two pictures are the same",)),)))
    animals = study["animals"]
    assert description_lines(animals) == [
        "3 classes, 32 x 32 RGB; drawn at random",
        "Split: 1,000 train, 50 validation, 400 test images",
    ]
    assert remark_lines(animals) == [
        "Train accuracy is taken on a seeded sample of 500 training images",
        "Mean corruption error: over 2 corruptions of 5 strengths each of 200 test images, a seeded sample",
        "* hog brings its own training stack: epochs 5",
        "Published for hog: 99 %; here 97.50 % on animals",
        "Tuned: svm: C 10.0, signed True; with these 90.00 % of held-out images, 80.00 % as it stands; 2 settings "
        "tried in 12 s",
        "Tuned: hog: it stays as it is, for no other setting was clearly better on held-out images; 2 settings tried "
        "in 12 s",
        "Not tuned: mine: no search space declared",
        "svm: over budget (70 s of 60 s)",
        "Warning: two pictures are the same",
        "Warning from svm: slow",
        "Warning from hog: odd",
    ]
    assert failure_lines(animals) == ["cnn, depth=2: failed: ValueError: no"]


def test_how_training_images_were_changed_is_told():
    jobs = [job("svm", "classical", 1, augment="mirror"), job("cnn", "neural", 1, augment="mirror+shift")]
    assert remark_lines(make_study(jobs)["animals"]) == [
        "Training images: mirrored too for svm; mirrored too and shifted too for cnn"
    ]
    alike = [job("svm", "classical", 1, augment="affine"), job("cnn", "neural", 1, augment="affine")]
    assert remark_lines(make_study(alike, augment="affine")["animals"]) == [
        "Training images (--augment affine): distorted too, for all pipelines"
    ]


def test_where_constants_were_found_and_class_weights_are_told():
    run = make_run([job("svm", "classical", 1), job("hog", "classical", 1), job("cnn", "neural", 1)])
    found = {"svm": "C's part", "hog": "C's part"}
    records = tuple(replace(each, found_on=found.get(each.name)) for each in run.record.pipelines)
    study = Study(replace(run, record=replace(run.record, pipelines=records)))
    assert remark_lines(study["animals"]) == ["Constants found on public images: on C's part those of svm, hog"]
    weighted = make_study([job("svm", "classical", 1)], class_weight="balanced")
    assert sum("Class weights: balanced" in line for line in header_lines(weighted)) == 1
    assert not any("Class weights" in line for line in header_lines(study))


def test_the_trainings_of_a_pipeline_are_told_together():
    chosen, kept = Tuning({"C": 10.0}, 0.9, 0.8, ()), Tuning({}, 0.8, 0.8, ())
    jobs = [
        job("svm", "classical", 10, seed=seed, tuning=found, tuning_seconds=10.0 + seed, tuning_candidates=20 + seed)
        for seed, found in enumerate((chosen, kept, chosen))
    ]
    [line] = [line for line in remark_lines(make_study(jobs, repeats=3, tune=10)["animals"]) if "uned" in line]
    expected = "Tuned: svm, 3 trainings: 2 of them with other settings than its own; 21 settings tried in 11 s each"
    assert line == expected


def test_each_declared_question_has_both_of_its_intervals():
    jobs = [job("svm", "classical", 20), job("cnn", "neural", 21), job("frozen", "pretrained", 60)]
    study = make_study(jobs)["animals"]
    first, second = question_lines(study)
    undecided, better = (question.verdict for question in study.questions)
    low, high = (f"{100 * bound:.2f}".replace("-", "−") for bound in undecided.interval)
    inside = " to ".join(f"{100 * bound:.2f}".replace("-", "−") for bound in undecided.equivalence_interval)
    assert first.startswith(
        f"Declared before the test: svm less cnn is 0.25 points; 95 % interval {low} to {high}, and of 95 %, for "
        f"equivalence, {inside}; p = "
    )
    assert first.endswith("; margin 1; Tango's score interval, over 400 images")
    assert "svm less frozen is 10.00 points; 97.5 % interval" in second
    assert (undecided.confidence, better.confidence) == (0.95, 0.975)
    assert question_lines(make_study(jobs[:1])["animals"]) == []


def test_a_job_in_words_has_what_tells_it_apart():
    study = make_study([job("cnn", "neural", 1, seed=1, n_train=300)], repeats=2, train_sizes=(100, 300))
    assert job_words(study, study.run.outcomes[0].result) == "cnn, 300 training images, seed 1"
    study = make_study([job("cnn", "neural", 1)])
    assert job_words(study, study.run.outcomes[0].result) == "cnn"
