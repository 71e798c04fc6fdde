"""What docs/operations offers to be copied: its commands parse, its settings and metrics exist, its units are valid."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from opentelemetry import environment_variables
from opentelemetry.sdk import environment_variables as sdk_variables
from prometheus_client import REGISTRY, CollectorRegistry

from data_contracts.workspace import init_workspace
from pipelines.cli.app import build
from pipelines.live.listening.listener_metrics import ListenerMetrics
from pipelines.settings.settings import read_settings, unknown_variables
from serving.http import metrics as endpoint_metrics
from serving.settings import Settings, from_environment, variable_of

FOLDER = Path(__file__).parents[1] / "docs" / "operations"
UNITS = sorted((FOLDER / "systemd").glob("*.service"))
USER_UNIT = FOLDER / "systemd" / "user" / "forewarn@.service"
GUIDES = sorted(FOLDER.glob("*.md"))
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


@cache
def known_series() -> frozenset[str]:
    """Return the names under which Prometheus finds our metrics."""
    registries: tuple[CollectorRegistry, ...] = (REGISTRY, ListenerMetrics().registry)
    families = [family for registry in registries for family in registry.collect()]
    own = [family for family in families if family.name.startswith("forewarn_")]
    assert {endpoint_metrics.SCORES._name} <= {family.name for family in own}
    return frozenset(family.name + suffix for family in own for suffix in SUFFIXES[family.type])


def check_query(query: str) -> None:
    """Check that a query is PromQL, and that each metric in it is ours."""
    promql_parser.parse(query)
    names = set(re.findall(r"\bforewarn_\w+", query))
    assert names, query
    assert names <= known_series(), query


def check_command(words: list[str]) -> None:
    """Check that forewarn's command line takes a command."""
    assert Path(words[0]).name == "forewarn", words
    build().parse_args(words[1:], exit_on_error=False, print_error=False)


def commands() -> list[list[str]]:
    """Return all commands of ours, whoever runs them."""
    units = [shlex.split(line[10:]) for file in UNITS for line in file.read_text().splitlines() if "ExecStart=" in line]
    # A command in a shell has a date in it.
    units = [shlex.split(words[2].removeprefix("exec ")) if words[0] == "/bin/sh" else words for words in units]
    services = [service.get("command", []) for service in load("compose.yaml")["services"].values()]
    lines = [line for guide in GUIDES for line in guide.read_text().splitlines() if line.startswith("    ")]
    parts = [part.strip() for line in lines for part in re.split(r" && | \|", line.partition(" #")[0])]
    code = [found[1] for part in parts if (found := re.fullmatch(r"(?:.*/bin/|FOREWARN_\w+=\S+ )?(forewarn .*)", part))]
    return [*units, *(words for words in services if words[:1] == ["forewarn"]), *map(shlex.split, code)]


def test_commands_are_those_of_the_command_line() -> None:
    found = commands()
    used = {
        "serve",
        "schedule",
        "listen",
        "init",
        "doctor",
        "tokens",
        "backup",
        "restore",
        "upgrade",
        "models",
        "score",
    }
    assert {words[1] for words in found} >= used
    for words in found:
        check_command(words)


def test_settings_exist(tmp_path: Path) -> None:
    """A misspelt variable would not be read."""
    given = {name: str(value) for name, value in load("compose.yaml")["services"]["listen"]["environment"].items()}
    given = {name: re.sub(r"\$\{.*\}", "secret", value) for name, value in given.items()}
    kubernetes = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
    [secret] = [part for part in kubernetes if part["kind"] == "Secret"]
    workspace = init_workspace(tmp_path / "workspace")
    for variables in (given, secret["stringData"]):
        read_settings(workspace, variables)
        assert unknown_variables(variables) == {}
    assert from_environment({"FOREWARN_WORKSPACE": given["FOREWARN_WORKSPACE"]}).workspace == Path("/data")
    assert unknown_variables({"FOREWARN_LIVE_BROKER_HOTS": "broker"})


def test_the_guides_name_what_exists() -> None:
    """Settings, OpenTelemetry's variables, and units."""
    named = "\n".join(file.read_text() for file in (*GUIDES, *(FOLDER / "proxy").iterdir()))
    variables = set(re.findall(r"\b(?:FOREWARN|OTEL)_[A-Z_]+\b", named)) - {"FOREWARN_WORKSPACE"}
    of_endpoint = {variable_of(name) for name in Settings.model_fields}
    assert {name for name in variables if name.startswith("FOREWARN_SERVE_")} <= of_endpoint
    of_traces = {*vars(environment_variables), *vars(sdk_variables)}
    assert {name for name in variables if name.startswith("OTEL_")} <= of_traces
    others = {name for name in variables if name.startswith("FOREWARN_")} - of_endpoint
    assert unknown_variables(dict.fromkeys(others, "1")) == {}
    units = {file.name.split(".")[0].split("@")[0] for file in (*UNITS, USER_UNIT)}
    assert set(re.findall(r"\bforewarn-[a-z]+\b(?=[\s.])", named)) <= units


def test_the_collector_has_every_part_that_its_pipeline_names() -> None:
    collector = load("otel-collector.yaml")
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) == set(collector[kind])


@pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed")
def test_the_caddyfile_is_valid() -> None:
    subprocess.run(["caddy", "validate", "--config", str(FOLDER / "proxy" / "Caddyfile")], check=True)  # noqa: S607


@pytest.mark.ml_test("Monitor 6")
def test_alerts_ask_for_metrics_that_exist() -> None:
    """And say what is wrong, and what to do."""
    rules = [rule for group in load("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        check_query(rule["expr"])
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """Its panels lie side by side, none on another."""
    dashboard = json.loads((FOLDER / "grafana" / "forewarn.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", ()):
            check_query(target["expr"])


def test_pods_ask_for_paths_that_the_endpoint_answers() -> None:
    """Selectors find the pods; nothing runs as root."""
    parts = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
    [deployment] = [part for part in parts if part["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    selectors = [part["spec"]["selector"] for part in parts if "selector" in part.get("spec", {})]
    assert len(selectors) == 3
    for selector in selectors:
        assert selector.get("matchLabels", selector).items() <= labels
    [container] = pod["spec"]["containers"]
    probes = {container[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe", "startupProbe")}
    assert probes == {"/readyz", "/livez"}
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert pod["spec"]["securityContext"]["runAsNonRoot"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_units_are_valid(tmp_path: Path) -> None:
    """By systemd itself, with the command where this environment has it."""
    program = Path(sys.executable).with_name("forewarn")
    copies = []
    for unit in (*UNITS, *(FOLDER / "systemd").glob("*.timer"), USER_UNIT):
        text = unit.read_text()
        for installed in ("/opt/forewarn/bin/forewarn", "%h/.local/share/forewarn/bin/forewarn"):
            text = text.replace(installed, str(program))
        copies.append(tmp_path / unit.name.replace("@", "@serve"))
        copies[-1].write_text(text)
    verify = [str(shutil.which("systemd-analyze")), "verify", *map(str, copies)]
    run = subprocess.run(verify, capture_output=True, text=True, check=False)
    said = [line for line in run.stderr.splitlines() if "forewarn" in line]
    assert (run.returncode, said) == (0, []), run.stderr
