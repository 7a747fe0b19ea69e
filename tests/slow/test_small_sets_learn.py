"""By default every network learns on a few hundred pictures: it beats chance, and predicts as well as its log says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cvclassic

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NETWORKS = ["cnn", "mlp", "hog_linear_head"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    subprocess.run([sys.executable, ROOT / "benchmarks" / "pictures.py", folder], check=True)
    return folder


@pytest.mark.parametrize(("name", "n_classes"), [("textures", 7), ("few", 6)])
def test_networks_learn_on_few_pictures_by_default(pictures, name, n_classes):
    found = cvclassic.compare(str(pictures / name), pipelines=NETWORKS)
    study = found.study[name]
    assert [result.status for result in found.results] == ["ok"] * (len(NETWORKS) + 1)  # and the baseline
    networks = [each for each in study.configurations if each.name in NETWORKS]
    assert len(networks) == len(NETWORKS)
    for configuration in networks:
        low, _ = configuration.interval
        assert low > 1.25 / n_classes, configuration.name  # chance is 1 / n_classes
        trainings = configuration.trainings
        assert len(trainings) == 5
        said = np.mean([np.mean(result.history["accuracy"][-3:]) for result in trainings])
        predicted = np.mean([result.train_accuracy for result in trainings])
        # Dropout and augmentation make the log's figure the lower one, if they differ.
        assert predicted > said - 0.03, configuration.name
