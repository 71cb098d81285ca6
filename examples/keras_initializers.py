"""Five ways to start one network in Keras: the tutorial program with one import changed.

    KERAS_BACKEND=torch python examples/keras_initializers.py

With `from keras import initializers` it runs as well, and more slowly where the layers are large.
"""

import keras
from keras import layers
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from initium.keras import initializers  # instead of: from keras import initializers

keras.utils.set_random_seed(0)
data = load_diabetes()  # 442 people, 10 measurements, and how far the disease went a year later
x = StandardScaler().fit_transform(data.data).astype("float32")
y = StandardScaler().fit_transform(data.target[:, None]).astype("float32")

starts = {
    "random_uniform": initializers.random_uniform(-0.05, 0.05),
    "glorot_uniform": initializers.GlorotUniform(),
    "he_normal": initializers.he_normal(),
    "lecun_uniform": initializers.lecun_uniform(),
    "orthogonal": initializers.orthogonal(),
}

for name, start in starts.items():
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64, activation="relu", kernel_initializer=start, name="hidden_1"),
            layers.Dense(32, activation="relu", kernel_initializer=start, name="hidden_2"),
            layers.Dense(1, kernel_initializer=start, name="out"),
        ],
        name=name,
    )
    model.compile(optimizer="adam", loss="mse")
    if name == "random_uniform":
        model.summary()
    losses = model.fit(x, y, epochs=5, batch_size=32, verbose=0).history["loss"]
    print(f"{name:15} first epoch: loss {losses[0]:.3f}   last epoch: loss {losses[-1]:.3f}")
