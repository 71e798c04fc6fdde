"""Packing the endpoint with one model into a bento: ``python -m serving.bento --workspace DIR --out DIR``.

A bento is BentoML's package: a folder with the code, the model, the pinned requirements and a container file. It starts
without the workspace it came from, without the registry and without a network.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from data_contracts.errors import ForewarnError, ModelError, UsageError
from data_contracts.workspace import Workspace, open_workspace
from models.artifact.golden_inputs import GoldenInputs
from models.registry.registry import Registry
from serving.deployment.bundled_model import bundle_model
from serving.deployment.champion import choose_model

PACKAGES = ("data_contracts", "features", "models", "serving")
# What answers no request: flows, the registry, the command line and plots.
_NOT_SERVED = ("cyclopts", "fastapi", "jinja2", "matplotlib", "mlflow", "prefect", "rich")
_TEMPLATES = Path(__file__).parent / "container"


@dataclass(frozen=True)
class Built:
    """A bento that was built.

    Parameters
    ----------
    folder
        Where it is.
    tag
        BentoML's name for it.
    model, version, digest
        The model that is sealed in.
    requirements
        How many packages it needs.
    container_file
        What makes a container of it.
    """

    folder: str
    tag: str
    model: str
    version: int
    digest: str
    requirements: int
    container_file: str


def build(workspace: Workspace, out: Path, *, model: str | None = None, version: int | None = None) -> Built:
    """Build a bento.

    Parameters
    ----------
    workspace
        Where the registry is.
    out
        The folder to make.
    model
        The model's name; None for the only one that has a champion.
    version
        The version to seal in; None for the champion.

    Returns
    -------
    Built

    Raises
    ------
    UsageError
        If the folder is there already.
    ModelError, NotFoundError
        If there is no such version, or it does not score as it did when it was registered.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", "a folder that is still to be made", "Name another with --out")
    registry = Registry(workspace)
    name = model or choose_model(registry.names(), registry.champion)
    number = registry.champion(name) if version is None else version
    if number is None:
        raise ModelError(f"{name} has no champion", "a version to pack", "Promote one, or name it with --version")
    artifact = registry.load(name, number).artifact
    golden = _proven(registry, name, number)
    with tempfile.TemporaryDirectory() as scratch:
        source, home = Path(scratch) / "src", Path(scratch) / "home"
        _copy_code(source)
        sealed = bundle_model(source / "sealed", name, number, artifact, golden)
        pinned = sorted(_pinned(_roots()))
        (source / "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")
        labels = {"model": name, "model_version": str(number), "model_digest": sealed.digest}
        tag, made = _bento(source, home, labels)
        shutil.copytree(made, out)
    _write_container_file(out)
    file = out / "Containerfile"
    return Built(str(out.resolve()), tag, name, number, sealed.digest, len(pinned), str(file.resolve()))


def _proven(registry: Registry, name: str, version: int) -> GoldenInputs | None:
    """Return the golden inputs of a version that scores them as it did; a version without any is taken as it is."""
    golden = registry.golden_inputs(name, version)
    if golden is not None:
        golden.verify(registry.load(name, version).artifact, f"{name} version {version}")
    return golden


def _copy_code(source: Path) -> None:
    code, ignored = Path(__file__).resolve().parents[1], shutil.ignore_patterns("__pycache__", "*.py[co]")
    for package in PACKAGES:
        shutil.copytree(code / package, source / package, ignore=ignored)


def _bento(source: Path, home: Path, labels: Mapping[str, str]) -> tuple[str, Path]:
    """Let BentoML build in a home of its own: nobody's store of bentos is touched."""
    os.environ |= {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    import bentoml

    bento = bentoml.bentos.build(
        "serving.service:Forewarn",
        build_ctx=str(source),
        include=["*"],
        labels=dict(labels),
        python={"requirements_txt": "./requirements.txt", "lock_packages": False},
    )
    return str(bento.tag), Path(bento.path)


def _write_container_file(out: Path) -> None:
    """Write our container file over the one that BentoML would generate: smaller, and nothing in it runs as root."""
    text = (_TEMPLATES / "Containerfile").read_text(encoding="utf-8")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (out / "Containerfile").write_text(text.replace("{python}", version), encoding="utf-8")
    # `bentoml containerize` looks here.
    (out / "env" / "docker" / "Dockerfile").write_text((out / "Containerfile").read_text(), encoding="utf-8")
    shutil.copy(out / "src" / "requirements.txt", out / "env" / "python" / "requirements.txt")


def _roots() -> Iterator[str]:
    for line in metadata.requires("forewarn") or ():
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) not in _NOT_SERVED:
            yield line


def _pinned(lines: Iterator[str]) -> set[str]:
    """Pin what some requirements need, and what that needs, to the versions that are installed here."""
    pinned: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in lines]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *sorted(requirement.extras)):
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            package = metadata.distribution(name)
            pinned[name] = f"{name}=={package.version}"
            waiting += [(Requirement(line), wanted) for line in package.requires or ()]
    return set(pinned.values())


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Build a bento and say so in JSON.

    Parameters
    ----------
    arguments
        The command line, without the program's name.
    environ
        The environment.

    Returns
    -------
    int
        The exit status: 0 built, 1 the answer is no, 2 wrong usage.
    """
    given = _parser().parse_args(arguments)
    try:
        built = build(open_workspace(given.workspace, environ), given.out, model=given.model, version=given.version)
    except ForewarnError as error:
        told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        print(json.dumps({"error": told}))  # noqa: T201
        return error.exit_status
    print(json.dumps(asdict(built)))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.bento", description="Pack the endpoint with one model.")
    parser.add_argument("--workspace", type=Path, required=True, help="the workspace's folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    parser.add_argument("--model", help="the registered model (the only one that has a champion)")
    parser.add_argument("--version", type=int, help="its version (the champion)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
