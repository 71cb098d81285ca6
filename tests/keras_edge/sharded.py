"""Run by a test in a process of its own, with two devices: a kernel of which each holds half."""

import keras
import numpy as np

import initium
import initium.keras


def main():
    mesh = keras.distribution.DeviceMesh((1, 2), ["batch", "model"], devices=keras.distribution.list_devices())
    rules = keras.distribution.LayoutMap(mesh)
    rules[".*kernel"] = (None, "model")
    alone = np.asarray(kernel(initium.keras.initializers.he_normal(seed=0)))
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=rules, batch_dim_name="batch"))
    ours, drop_in = (kernel(one.he_normal(seed=0)) for one in (initium.keras, initium.keras.initializers))
    whole = initium.array("he_normal", (6, 4), seed=0, path="d/kernel", axes="io")
    print(*(shard.data.shape for shard in ours.addressable_shards), end=" ")
    print((np.asarray(ours) == whole).all(), (np.asarray(drop_in) == alone).all())


def kernel(init):
    layer = keras.layers.Dense(4, kernel_initializer=init, name="d")
    layer.build((None, 6))
    return layer.kernel.value


if __name__ == "__main__":
    main()
