"""What the splits share."""

import dataclasses

import mpii_pose
from mpii_pose.release import split


def test_videos_of_both_train_and_validation_are_found(drawn_release):
    people = mpii_pose.read_people(drawn_release)
    before = split.shared_videos(people)
    assert before is not None
    first = dataclasses.replace(people["train"][0], video_id="seen_twice")
    other = dataclasses.replace(people["validation"][0], video_id="seen_twice")

    found = split.shared_videos(
        {
            "train": [first, *people["train"]],
            "validation": [other, *people["validation"]],
        }
    )

    assert found == before | {"seen_twice"}


def test_a_copy_without_video_ids_cannot_say(real_people):
    assert split.shared_videos(real_people) is None


def test_real_copies_name_every_labelled_person_of_the_split(real_mpii):
    """The card: 3,679 others in validation images, none in images of train."""
    import gzip
    import json

    with gzip.open(real_mpii / "cpm_annotations.json.gz") as file:
        records = json.load(file)
    listed: dict[str, int] = {}
    labelled: dict[str, int] = {}
    validation = set()
    for record in records:
        name = record["img_paths"]
        listed[name] = listed.get(name, 0) + 1
        labelled[name] = int(record["numOtherPeople"]) + 1
        if record["isValidation"] == 1:
            validation.add(name)

    others = {name: labelled[name] - listed[name] for name in listed}

    assert sum(others[name] for name in validation) == 3_679
    assert all(others[name] == 0 for name in set(others) - validation)
    assert sum(labelled.values()) == 28_883
