"""Readers of the annotation files that circulate, one format a module."""
