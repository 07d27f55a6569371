"""The contestants of the loader benchmark.

Each module has functions without arguments but a `Corpus`, which return an endless
iterator of batches; `CONTESTANTS` in `compare_loaders.py` names them.
"""
