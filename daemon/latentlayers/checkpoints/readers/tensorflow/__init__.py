"""NVIDIA's TensorFlow pickles, read without TensorFlow.

A file is a tuple (G, D, Gs) of `dnnlib.tflib.network.Network`; Gs is the averaged generator. A network's state holds
its variables as (name, array) pairs and, in `build_module_src`, source code that stock loading executes and this
package never looks at. The variables' names tell the family; the version does not: StyleGAN2's repository writes its
configuration A, a StyleGAN1, in its own version.
"""

from latentlayers.checkpoints.readers.tensorflow.read import read

__all__ = ["read"]
