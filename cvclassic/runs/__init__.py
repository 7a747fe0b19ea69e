"""Runs: what is asked, what that comes to as jobs, how each is done, and the files of it all.

spec.py, question.py     what is asked (`RunSpec`), what a Python call brings beside it, and the data for both
pipelines.py, plan.py    contenders, and a job for each thing to fit
job.py                   the types: jobs, results, outcomes, and the record of a run
fit.py, measure.py       one job from its data to its outcome, and what it costs
local.py, worker.py      the executor: a process for each job, with limits
folder.py, record.py     the files of a run, and what it says of itself

Nothing is imported here, so that a worker process starts with no more than it needs.
"""
