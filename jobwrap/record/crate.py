"""An RO-Crate from a record: what ran, in what, from what it made what, and who is to be asked.

RO-Crate 1.1 with the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5): one
CreateAction, its instrument, objects and results. Files that lie beside the record become parts of it.
"""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Iterable
from typing import Any

Entity = dict[str, Any]
METADATA = "ro-crate-metadata.json"
_CRATE = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run"
_DONE, _FAILED = "http://schema.org/CompletedActionStatus", "http://schema.org/FailedActionStatus"


def crate(record: dict[str, Any], path: str, agent: str = "", license_: str = "") -> Entity:
    """The metadata document for the folder in which the record lies as `path`.

    agent    the name of whoever ran it, or an ORCID (https://orcid.org/…)
    license_ a URL, or words
    """
    folder, name = os.path.split(os.path.abspath(path))
    inputs = [_input(record, each) for each in record["job"]["inputs"]]
    outputs = [_output(record, folder, each) for each in record.get("outputs", ())]
    own = {**_file(record, name, "jobwrap's exit record"), "encodingFormat": "application/json"}
    people = [_agent(agent)] if agent else []
    licenses = [{"@id": license_, "@type": "CreativeWork", "name": license_}] if "://" in license_ else []
    image = _image(record)
    run = _action(record, image, inputs, outputs, people)
    root = _root(record, [*(each for each in (*inputs, *outputs) if each["@id"][0] != "#"), own])
    root["mentions"] = _link(run["@id"])
    root["license"] = _links(licenses) if licenses else license_ or "not stated; ask the authors"
    if people:
        root["author"] = _links(people)
    about = {"@id": METADATA, "@type": "CreativeWork", "conformsTo": _link(_CRATE), "about": _link("./")}
    profile = {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    described = [profile, run, _task(record), *image, *people, *licenses, *inputs, *outputs, own]
    graph: list[Entity] = [about, root, *described]
    return {"@context": [f"{_CRATE}/context", f"{_TERMS}/context"], "@graph": list(_once(graph))}


def write(record: dict[str, Any], path: str, agent: str, license_: str) -> str:
    """Puts the crate's metadata beside the record; its path. OSError where it cannot be written."""
    target = os.path.join(os.path.dirname(os.path.abspath(path)), METADATA)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(crate(record, path, agent, license_), file, indent=1, ensure_ascii=False)
        file.write("\n")
    return target


def _root(record: dict[str, Any], parts: list[Entity]) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"A run of {_program(record)}",
        "description": f"What {' '.join(record['job']['command'])} used and made",
        "datePublished": _moment(record.get("ended", record["started"])),
        "conformsTo": _link(_PROFILE),
        "hasPart": _links(parts),
    }


def _action(
    record: dict[str, Any],
    image: list[Entity],
    inputs: list[Entity],
    outputs: list[Entity],
    people: list[Entity],
) -> Entity:
    end = record.get("end") or {"code": None, "failure": "lost", "sentence": "the run was lost"}
    node = record.get("node") or {}
    action: Entity = {
        "@id": f"#run-{record['id']}",
        "@type": "CreateAction",
        "name": f"Run of {_program(record)} on {node.get('hostname', 'an unknown node')}",
        "description": " ".join(record["job"]["command"]),
        "instrument": _link("#task"),
        "startTime": _moment(record["started"]),
        "actionStatus": _FAILED if end["failure"] else _DONE,
    }
    if "ended" in record:
        action["endTime"] = _moment(record["ended"])
    if end["failure"]:
        action["error"] = f"{end['failure']}: {end['sentence']}"
    if end["code"] is not None:
        action["exitCode"] = end["code"]
    for name, entities in (
        ("object", inputs),
        ("result", outputs),
        ("containerImage", image),
        ("agent", people),
    ):
        if entities:
            action[name] = _links(entities)
    return action


def _task(record: dict[str, Any]) -> Entity:
    return {"@id": "#task", "@type": "SoftwareApplication", "name": _program(record)}


def _image(record: dict[str, Any]) -> list[Entity]:
    image = record.get("image")
    if not image:
        return []
    entity = {
        "@id": f"#image-{image['asked']}",
        "@type": "ContainerImage",
        "additionalType": _link(f"{_TERMS}#SIFImage"),
        "name": image["asked"],
        "description": f"launched as {image['path']}",
    }
    name, _, tag = image["asked"].rpartition(":")
    if name and "/" not in tag:
        entity.update(name=name, tag=tag)
    return [entity]


def _input(record: dict[str, Any], input_: dict[str, Any]) -> Entity:
    """An input: under the URL that it came from, else under its name."""
    transfers = record.get("transfers", ())
    came: Entity = next((each for each in transfers if each["name"] == input_["name"]), {})
    places = [came.get("source", ""), *input_["places"]]
    url = next((place for place in places if place.startswith(("http://", "https://"))), "")
    entity = _file(record, url or f"#input-{input_['name']}", input_["name"])
    if "bytes" in came:
        entity["contentSize"] = str(came["bytes"])
    digest = _sha256(input_.get("checksum") or came.get("checksum"))
    return {**entity, "sha256": digest} if digest else entity


def _output(record: dict[str, Any], folder: str, output: dict[str, Any]) -> Entity:
    """An output: a part of the crate where it lies beside the record, else under its URL."""
    beside = os.path.isfile(os.path.join(folder, output["name"]))
    web = output["url"] if output["url"].startswith(("http://", "https://")) else ""
    entity = _file(record, output["name"] if beside else web or f"#output-{output['name']}", output["name"])
    entity["contentSize"] = str(output["bytes"])
    digest = _sha256(output.get("checksum"))
    return {**entity, "sha256": digest} if digest else entity


def _file(record: dict[str, Any], id_: str, name: str) -> Entity:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    entity = {"@id": id_, "@type": "File", "name": name, "encodingFormat": kind}
    if "://" in id_:
        entity["sdDatePublished"] = _moment(record.get("ended", record["started"]))
    return entity


def _sha256(checksum: str | list[str] | None) -> str:
    """Out of "sha256:…" or ["sha256", "…"]."""
    text = ":".join(checksum) if isinstance(checksum, list) else checksum or ""
    return text[len("sha256:") :] if text.startswith("sha256:") else ""


def _agent(agent: str) -> Entity:
    if "://" in agent:
        return {"@id": agent, "@type": "Person", "name": agent.rpartition("/")[2]}
    return {"@id": "#agent", "@type": "Person", "name": agent}


def _program(record: dict[str, Any]) -> str:
    return os.path.basename(str((record["job"]["command"] or ["nothing"])[0]))


def _once(entities: Iterable[Entity]) -> Iterable[Entity]:
    return {each["@id"]: each for each in entities}.values()


def _link(id_: str) -> Entity:
    return {"@id": id_}


def _links(entities: list[Entity]) -> Entity | list[Entity]:
    """Links to them; a single one stands without a list, as RO-Crate has it."""
    links = [_link(each["@id"]) for each in _once(entities)]
    return links[0] if len(links) == 1 else links


def _moment(text: str) -> str:
    """As the profile's own checks want a moment to end."""
    return text.replace("Z", "+00:00")
