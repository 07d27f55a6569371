"""Getting hold of a release, on the net or on disk, and reading the people in it.

Whatever the files hold, they are read or refused: annotations with an
`AnnotationError`, archives with an `ArchiveError`; what is not there is a
`FileNotFoundError`. The message names the file and the place in it.
"""
