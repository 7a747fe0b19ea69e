"""What a `.cvc` file may hold of classes that stand in built-in pipeline files."""

from sklearn.base import TransformerMixin

from cvclassic.model.kinds import Kind, Shape, agree
from cvclassic.model.kinds_features import EMBEDDING
from cvclassic.model.kinds_sklearn import check_standard_scaler, scaler_fields


def _check_input_features(features: TransformerMixin, shape: Shape, n_classes: int) -> Shape:
    agree(features.input_features in ("pixels", "sobel", "hog", "hog+color"), "input_features of its InputFeatures")
    return None


KINDS = [
    Kind("pipelines.features_mlp.InputFeatures", check=_check_input_features),
    Kind("pipelines.patches_svm.BlockwiseScaler", scaler_fields("mean_", "var_", "scale_"), check_standard_scaler),
    Kind("pipelines.pretrained_svm.ApplicationEmbedding", **EMBEDDING),
]
