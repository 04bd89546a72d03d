"""jobwrap record crate: a Process Run Crate that a reader of RO-Crates finds its way through."""

import json

import pytest

from jobwrap import cli
from jobwrap.job.spec import Input
from tests.record.making import FAILED, JOB, a_record

DIGEST = "ab" * 32


def crate_of(tmp_path, record, *words):
    (tmp_path / "jobwrap-record.json").write_text(json.dumps(record))
    assert cli.main(["record", "crate", *words, str(tmp_path)]) == 0
    document = json.loads((tmp_path / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(entities) == len(document["@graph"])
    return entities


def links(entity, name):
    """What it links to; a single link stands without a list."""
    found = entity[name]
    return [link["@id"] for link in (found if isinstance(found, list) else [found])]


@pytest.fixture
def record():
    return a_record(
        outputs=[
            {"name": "result.json", "url": "", "bytes": 5, "checksum": ["sha256", DIGEST]},
            {"name": "hist.root", "url": "https://data.example.org/out/hist.root", "bytes": 7},
        ],
        transfers=[
            {
                "name": "events.bin",
                "source": "https://mirror.example.org/events.bin",
                "bytes": 9,
                "seconds": 1,
                "attempts": 1,
                "checksum": ["sha256", DIGEST],
            }
        ],
    )


def test_a_run_is_an_action_with_its_tool_its_image_its_inputs_and_outputs(tmp_path, record, capsys):
    (tmp_path / "result.json").write_text("{...}")
    entities = crate_of(tmp_path, record, "--agent", "Ada")
    assert capsys.readouterr().out == f"{tmp_path}/ro-crate-metadata.json\n"
    action = entities[f"#run-{record['id']}"]
    assert action["@type"] == "CreateAction"
    assert entities[action["instrument"]["@id"]]["name"] == "python3"
    assert links(action, "object") == ["https://mirror.example.org/events.bin"]
    assert links(action, "result") == ["result.json", "https://data.example.org/out/hist.root"]
    assert action["startTime"] == record["started"].replace("Z", "+00:00")
    image = entities[links(action, "containerImage")[0]]
    assert (image["@type"], image["name"], image["tag"]) == ("ContainerImage", "htc/debian", "12")
    assert entities[links(action, "agent")[0]]["name"] == "Ada"
    assert entities["https://mirror.example.org/events.bin"]["sha256"] == DIGEST
    assert entities["result.json"]["contentSize"] == "5"
    assert entities["result.json"]["sha256"] == DIGEST


def test_the_root_has_the_files_as_parts_and_names_the_profile(tmp_path, record):
    (tmp_path / "result.json").write_text("{...}")
    root = crate_of(tmp_path, record)["./"]
    assert root["conformsTo"]["@id"] == "https://w3id.org/ro/wfrun/process/0.5"
    assert {"result.json", "jobwrap-record.json"} < set(links(root, "hasPart"))
    assert root["mentions"]["@id"].startswith("#run-")


def test_whatever_is_linked_to_is_described_or_on_the_web(tmp_path, record):
    entities = crate_of(tmp_path, record, "--agent", "https://orcid.org/0000-0002-1825-0097")

    def linked(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if set(value) == {"@id"} else ()
            value = list(value.values())
        for each in value if isinstance(value, list) else ():
            yield from linked(each)

    assert all(id_ in entities or "://" in id_ for id_ in linked(list(entities.values())))


def test_a_failed_run_says_so_and_why(tmp_path):
    record = a_record(FAILED, job=JOB._replace(inputs=(Input("x.csv", ("/data/x.csv",)),)), image=None)
    entities = crate_of(tmp_path, record)
    action = entities[f"#run-{record['id']}"]
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"].startswith("task.failed: the task ended with exit code 3")
    assert links(action, "object") == ["#input-x.csv"]
    assert "containerImage" not in action and "agent" not in action
