"""Files of weights: their names are Keras's own, since --offline looks for them."""

import numpy as np
import pytest

from cvclassic.features import Embedding
from cvclassic.neural import APPLICATIONS, KerasApplication, prepare_backend

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_file_of_the_weights_is_the_one_that_keras_asks_for(name, monkeypatch):
    prepare_backend()
    from keras.src.utils import file_utils

    asked = []
    monkeypatch.setattr(file_utils, "get_file", lambda file, *args, **kwargs: asked.append(file))
    with pytest.raises(Exception, match="can't be had"):
        KerasApplication(name).embed(np.zeros((1, 224, 224, 3), np.float32))
    assert asked == [APPLICATIONS[name].file]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_application_embeds(name):
    features = Embedding(KerasApplication(name, weights=None)).fit_transform(np.zeros((2, 32, 32), np.uint8))
    assert features.shape in ((2, 1280), (2, 1024), (2, 2048))
