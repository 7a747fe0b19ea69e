"""Runs: every pipeline on the same splits, each in a process of its own, every result a file written whole.

Nothing is imported here, so that a worker process starts with no more than it needs: see `experiment.pipelines`,
`experiment.runner`, `experiment.worker` and `experiment.result`.
"""
