"""Runs: what is asked, what that comes to as jobs, how each is done, and the files of it all.

spec.py, question.py            what is asked (`RunSpec`), what a Python call brings beside it, and the data for both
settings.py, train_sizes.py     settings by name, training sizes
playground.py                   ready-made sweeps
pipelines.py, plan.py           contenders, and a job for each thing to fit
job.py                          the types: jobs, results, outcomes, and the record of a run
estimator.py, fit.py            one job from its data to its outcome; with corruptions.py, measure.py
tuning.py, halving.py,          the choice of its parameters within a time, and the spaces that pipelines declare
search.py
forecast.py, within.py          how long it will take, and what is cut to a time
local.py, interrupt.py          the executor: a process for each job, with limits; signals that end a run
launcher.py, worker.py          both ends of its processes; handover.py packs a job, processes.py ends process trees
folder.py, record.py            the files of a run, and what it says of itself
files.py, encoding.py,          how files are written whole and read within limits, whether what was read makes sense,
checks.py, lock.py              and who works in a folder

Nothing is imported here, so that a worker process starts with no more than it needs.
"""
