"""Textbook: two layers of 500 sigmoid units and softmax on the pixels, Adam

Rate 0.001, batches of 100, 20 epochs, MNIST. Here it is trained on 95 % of the training images, for the rest are
validation, and the weights of the epoch with the smallest validation loss are kept, not the last ones. Pixels are
scaled to [0, 1]. `python compare.py --dataset mnist --pipeline recipe_mnist_sigmoid`, seed 0, on 2 cores: 97.75 % of
the test images, fitted in 173 s (the machine was busy with other work); 2026-11-22.
"""

from cvclassic.neural import NeuralClassifier, TrainingStack, prepare_backend

family = "neural"
default = False
published = "96.23 % on MNIST"
# Patience as long as the training: the rate stays as it is, and no epoch is left out.
stack = TrainingStack(
    optimizer="adam",
    learning_rate=0.001,
    schedule="constant",
    batch_size=100,
    epochs=20,
    early_stopping_patience=20,
    plateau_patience=20,
)


def network(input_shape, n_classes):
    keras = prepare_backend()
    layers = keras.layers
    hidden = [layers.Dense(500, activation="sigmoid") for _ in range(2)]
    return keras.Sequential([keras.Input(input_shape), layers.Flatten(), *hidden, layers.Dense(n_classes)])


def build(task):
    return NeuralClassifier(network, stack=task.stack, seed=task.seed, log_dir=task.folder)
