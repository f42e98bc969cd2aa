"""Readers that tasks share; no task itself.

- ``files``: CSV tables, text files and .npy arrays, with errors that name the row.
- ``images``: square images from .npy, IDX or CSV files.
- ``packages``: files of installed packages, and loaders that need a network.
- ``splitting``: training, validation and test splits.
- ``words``: words as numbers, by the library tokenizers.
"""
