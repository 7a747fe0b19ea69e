import os
import subprocess
import sys


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_importing_the_package_and_making_a_stack_imports_no_keras():
    code = """
import sys
from cvclassic.neural import NeuralClassifier, TrainingStack, cnn, linear_head, mlp, prepare_backend
NeuralClassifier(mlp, stack=TrainingStack(optimizer="sgd"))
print(sorted({"keras", "tensorflow", "torch", "jax"} & set(sys.modules)))
"""
    done = run_python(code)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_missing_backend_says_what_to_install():
    code = """
from cvclassic.errors import MissingDependencyError
from cvclassic.neural import mlp
try:
    mlp((8, 8, 1), 10)
except MissingDependencyError as error:
    print(error)
"""
    done = run_python(code, KERAS_BACKEND="nosuchbackend")
    assert "pip install" in done.stdout
    assert "nosuchbackend" in done.stdout


def test_loading_keras_is_silent():
    done = run_python("from cvclassic.neural import prepare_backend; prepare_backend().ops.ones(3)")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
