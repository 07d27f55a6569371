"""Installation of `mpii_pose`."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent


def read_version() -> str:
    """Returns the version, which stands in the package and nowhere else."""
    text = (ROOT / "mpii_pose" / "__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError("mpii_pose/__init__.py has no __version__")
    return match[1]


setuptools.setup(
    name="mpii_pose",
    version=read_version(),
    description="The MPII Human Pose dataset for TensorFlow Datasets, its loader and "
    "its metric",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: Microsoft :: Windows",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.11",
    # With it, an editable installation is a path, which comes before a folder named
    # mpii_pose in the working directory.
    package_dir={"": "."},
    packages=setuptools.find_packages(include=["mpii_pose", "mpii_pose.*"]),
    package_data={
        "mpii_pose": ["*.bib", "*.md", "*.tsv", "*.txt", "py.typed"],
        "mpii_pose.release": ["*.csv"],
        "mpii_pose.tools": ["*.css", "*.jinja"],
    },
    entry_points={"console_scripts": ["mpii-pose = mpii_pose.tools.main:main"]},
    # requirements-arrays.txt has these without TensorFlow, Beam and mlcroissant.
    install_requires=[
        "absl-py",
        "etils[epath,epy]",
        "filelock",
        "h5py",
        "jinja2",
        "numpy>=1.26",
        "packaging",
        "pillow>=10.1",
        "requests",
        # libjpeg, which decodes for arrays; with its warnings as errors it finds damage
        # that Pillow passes over.
        "simplejpeg",
        "scipy>=1.11",
        "tensorflow>=2.18",
        # No upper bound: a test fails when a private name that we use has moved, and a
        # bound would keep TFDS's mends from users whose version works.
        "tensorflow-datasets>=4.9.8",
        # From 1.18 on made for protobuf 6 without saying so: beside TensorFlow 2.18 and
        # 2.19, which hold protobuf below 6, no import of tensorflow_datasets works. The
        # ones before are read by protobuf 4 to 7, and so by every TensorFlow.
        "tensorflow-metadata<1.18",
        "urllib3",
        # What the `tfds` command imports and tensorflow-datasets forgets to require.
        "apache-beam>=2.65",
        "importlib_resources",
        "mlcroissant>=1.1",
    ],
    extras_require={
        # Curves, and TFDS's pictures: `plot_pckh`, `show_examples`, `as_dataframe`.
        "plot": ["matplotlib", "pandas"],
        # Crops of examples that are arrays. Any other package with `cv2` does as well.
        "arrays": ["opencv-python-headless"],
        # Libraries that read a `data_source`.
        "jax": ["grain", "jax", "opencv-python-headless"],
        "torch": ["opencv-python-headless", "torch"],
        # The site: `scripts/docs`.
        "docs": ["furo", "myst-parser", "sphinx"],
        # Engines that the tests in tests/clusters run on, where they are installed.
        "clusters": ["distributed", "pyspark>=3.5,<4"],
        # What `scripts/test` and the linters need.
        "test": [
            "dill",  # tfds.testing
            "grain",  # one of those that read a `data_source`
            "ipykernel",
            "jax",  # one of the array libraries that the formulas run on
            "matplotlib",
            "mypy",
            "nbclient",
            "nbformat",
            "opencv-python-headless",  # examples that are arrays
            "pandas",  # tfds.as_dataframe
            "pyarrow",  # --file_format parquet
            "pycocotools",  # reads our COCO export
            "pytest",
            "pytest-xdist",
            "ruff",
            "sybil",  # runs the code blocks of README and guides
            "tensorboard",  # examples/train.py --tensorboard
        ],
    },
)
