"""One module per layout that generators are published in. Each looks at a file's inert value and returns a `Network`,
or None if the value is of another layout.

nvidia, nvidia_stylegan3     modules pickled by stylegan2-ada-pytorch and stylegan3; persistence walks them
nvidia_names                 the same networks as a plain table of weights
tensorflow                   StyleGAN1 and StyleGAN2 of NVIDIA's TensorFlow code
lernapparat                  StyleGAN1 in PyTorch
state_dicts, layouts         StyleGAN2 of rosinality, BasicSR, OpenMMLab, GenForce, and the decoders of encoders
strangers                    what people try that holds no generator, named
network                      what all of them share
"""
