"""TensorFlow does not greet who imports mpii_pose, unless it is asked to."""

import os
import subprocess
import sys

import pytest

USE = "import mpii_pose; import tensorflow"


def stderr(program, **environment):
    """What a process of its own writes to stderr, in which nothing is set before."""
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_tensorflow_is_imported_without_a_word():
    assert stderr(USE) == ""


def test_greetings_come_back_with_the_variable():
    assert "oneDNN custom operations are on" in stderr(USE, TF_CPP_MIN_LOG_LEVEL="0")


@pytest.fixture
def other_tensorflow(tmp_path):
    """Runs a program that uses another module of the name tensorflow."""

    def run(module, program):
        (tmp_path / "tensorflow.py").write_text(module)
        quiet = "from mpii_pose import quiet_tensorflow; quiet_tensorflow.install();"
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        # As the package does; `tensorflow_datasets` is left out.
        return stderr(f"import sys; {quiet} {program}", PYTHONPATH=path)

    return run


def test_what_is_no_greeting_is_passed_on(other_tensorflow):
    module = """
import os
os.write(2, b"I0000 00:00 cudart_stub.cc:31] no GPU\\nE0000 00:00 broken driver\\n")
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\n")
"""

    said = other_tensorflow(module, "import tensorflow")

    assert said == "E0000 00:00 broken driver\n"


def test_a_machine_without_gpu_is_no_news(other_tensorflow):
    module = """
import os
os.write(2, b"E0000 00:00 cuda_platform.cc:52] failed call to cuInit: INTERNAL: x\\n")
"""

    assert other_tensorflow(module, "import tensorflow") == ""


def test_failing_import_is_seen(other_tensorflow):
    module = "import sys\nprint('library missing', file=sys.stderr)\nraise OSError('x')"

    said = other_tensorflow(
        module,
        "\ntry:\n  import tensorflow\nexcept OSError as e: print(e, file=sys.stderr)",
    )

    assert said == "library missing\nx\n"


def test_looking_for_tensorflow_changes_nothing(other_tensorflow):
    module = "import os\nos.write(2, b'I0000 00:00 no GPU\\n')"

    said = other_tensorflow(
        module,
        "import importlib.util; importlib.util.find_spec('tensorflow');"
        "import tensorflow",
    )

    assert said == ""
