"""How the model behaves under torch's tools.

- ``plain_tensors``: which tensors have their numbers in memory, where compiled code reads them.
- ``pytrees``: the hidden state as a container that torch's tools take apart and rebuild.
- ``transforms``: function transforms and compilers, supported or refused in one sentence.
"""
