"""Textbook: a small CNN of two convolutions (64, 128) and a dense layer of 512, with dropout

The layers are those of the course exercise for CIFAR-10; it leaves open the rest, which is the usual here: 3 x 3
filters, pooling by 2 after each, rectified units, Adam at the constant rate 0.001, batches of 128, 12 epochs. It is
trained on 95 % of the training images, for the rest are validation, and the weights of the epoch with the smallest
validation loss are kept, not the last ones. Pixels are scaled to [0, 1].
"""

from cvclassic.neural import NeuralClassifier, TrainingStack, prepare_backend

family = "neural"
default = False
# Patience as long as the training: the rate stays as it is, and no epoch is left out.
stack = TrainingStack(
    optimizer="adam",
    learning_rate=0.001,
    schedule="constant",
    batch_size=128,
    epochs=12,
    early_stopping_patience=12,
    plateau_patience=12,
)


def network(input_shape, n_classes):
    keras = prepare_backend()
    layers = keras.layers
    model = keras.Sequential([keras.Input(input_shape)])
    for filters in (64, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(n_classes))
    return model


def build(task):
    return NeuralClassifier(network, stack=task.stack, seed=task.seed, log_dir=task.folder)
