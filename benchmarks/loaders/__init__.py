"""The contestants of the loader benchmark.

Each is a function of a `Corpus` that returns an iterable of batches, which ends and
can be iterated again; `CONTESTANTS` in `compare_loaders.py` lists them.
"""
