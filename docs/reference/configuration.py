"""Writes configuration.md, the reference of every configuration key, from the models that read them."""

from pathlib import Path

from data_contracts.configuration.reference import reference
from data_contracts.configuration.schemas import json_schema
from data_contracts.contract.contract_schema import contract_schema, layout_schema
from models.experiment.experiment import Experiment
from pipelines.connectors.channel_settings import Channel
from pipelines.live.mtconnect.mtconnect_settings import MtconnectMapping
from pipelines.live.opcua.opcua_settings import OpcuaMapping
from pipelines.settings.settings import Settings
from serving.settings import Settings as EndpointSettings

PAGE = Path(__file__).with_suffix(".md")

_INTRODUCTION = """\
# Configuration

Every key of an experiment, of a workspace's settings, of the endpoint's settings, of a channel, of a bridge's mapping
and of a contract. This page is generated from the models that read them (`make reference`); `forewarn schema
experiment`, `settings`, `opcua`, `mtconnect` or `contract` prints the same as a JSON Schema, by which an editor
completes and checks a file.

A duration is a number and a unit such as `"72h"`; `"start"` reaches back to an asset's first reading. A time without a
zone is UTC. Where the contract of an experiment's telemetry counts cycles (`clock: cycle`), `"30 cycles"` is a duration
of it too, and `"cycle 30"` a time. An unknown key is an error.
"""

_PARTS = (
    (
        "An experiment",
        "A TOML file such as those in `pipelines/experiments`. `--set section.key=value` changes a key.",
        reference(json_schema(Experiment), prefix="[", suffix="]"),
    ),
    (
        "The workspace",
        "`forewarn.toml` in the workspace's folder. Outside `[storage]` each key has an environment variable, which\n"
        "wins: `FOREWARN_MONITOR_SPAN` is `span` of `[monitor]`. `forewarn doctor` shows where each value comes from.",
        reference(json_schema(Settings), prefix="[", suffix="]"),
    ),
    (
        "The endpoint",
        "Each is an environment variable, `FOREWARN_SERVE_` and the name in capitals; that of the workspace is\n"
        "`FOREWARN_WORKSPACE`.",
        reference(json_schema(EndpointSettings)),
    ),
    (
        "A channel",
        "A TOML file in the workspace's folder `channels`, by whose name it is known\n"
        "([how](../how-to/connect.md)). It has one of the sections.",
        reference(json_schema(Channel), prefix="[", suffix="]"),
    ),
    (
        "An OPC-UA mapping",
        "The TOML file of `forewarn bridge opcua` ([how](../how-to/bridges.md)).\n"
        "`forewarn bridge opcua ADDRESS --browse` prints a draft.",
        reference(json_schema(OpcuaMapping), prefix="[", suffix="]"),
    ),
    (
        "An MTConnect mapping",
        "The TOML file of `forewarn bridge mtconnect` ([how](../how-to/bridges.md)).\n"
        "`forewarn bridge mtconnect URL --probe` prints a draft.",
        reference(json_schema(MtconnectMapping), prefix="[", suffix="]"),
    ),
    (
        "A contract",
        "A YAML file of the [Open Data Contract Standard](https://bitol-io.github.io/open-data-contract-standard/) 3.\n"
        "These are the keys that forewarn reads. The standard's others are allowed where they are for people, and\n"
        "refused where they demand what nothing enforces, such as `relationships` or a `quality` of type `sql`.",
        reference(contract_schema()),
    ),
    (
        "The layout of a contract's files",
        "The value of a contract's custom property `fileLayout`; each key can be given on the command line too, by an\n"
        "option of its own or as `--layout KEY=VALUE` ([how](../how-to/own-data.md#read-the-files-as-they-are)).",
        reference(layout_schema()),
    ),
)


def page() -> str:
    """Return the page's text."""
    headings: set[str] = set()
    parts = [f"## {title}\n\n{text}\n\n{_distinct(tables, title, headings)}" for title, text, tables in _PARTS]
    return "\n".join([_INTRODUCTION, *parts])


def _distinct(tables: str, title: str, headings: set[str]) -> str:
    """Add the part's title to each heading that a part above has too: links of a page need distinct ones."""
    lines = []
    for line in tables.split("\n"):
        repeated = line.startswith("###") and line in headings
        lines.append(f"{line} ({title[0].lower()}{title[1:]})" if repeated else line)
    headings.update(line for line in tables.split("\n") if line.startswith("###"))
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
