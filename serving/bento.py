"""Build a bento of the endpoint with one model: ``python -m serving.bento --workspace DIR --out DIR``.

A bento is BentoML's package: a folder with the code, the model, the pinned requirements and a container file. It runs
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
from models.registry.registry import Registry
from serving.deployment.bundled_model import FOLDER, bundle_model
from serving.deployment.model_choice import choose_served_model

PACKAGES = ("data_contracts", "features", "models", "serving")
# What no request needs: flows, the registry, the command line and plots.
_EXCLUDED = ("cyclopts", "fastapi", "matplotlib", "mlflow", "prefect", "rich")
_EXTRAS = ("otel", "postgres", "signing")
_TEMPLATES = Path(__file__).parent / "container"


@dataclass(frozen=True)
class Built:
    """A bento that was built."""

    folder: str
    tag: str  # BentoML's name for it
    model: str
    version: int
    digest: str
    requirements: int  # number of pinned packages
    container_file: str


def build(workspace: Workspace, out: Path, *, model: str | None = None, version: int | None = None) -> Built:
    """Build a bento in a new folder `out`.

    By default of the only model that has a champion, and of that champion. Raises UsageError if the folder exists;
    ModelError or NotFoundError if there is no such version, or it does not score as it did when it was registered.
    """
    if out.exists():
        raise UsageError(f"{out} already exists", "a new folder", "Name another with --out")
    registry = Registry(workspace)
    name = model or choose_served_model(workspace).name
    number = registry.champion(name) if version is None else version
    if number is None:
        raise ModelError(f"{name} has no champion", "a version to pack", "Promote one, or name it with --version")
    artifact = registry.load(name, number).artifact
    golden_inputs = registry.golden_inputs(name, number)
    if golden_inputs is not None:
        golden_inputs.verify(artifact, f"{name} version {number}")
    with tempfile.TemporaryDirectory() as scratch:
        source, home = Path(scratch) / "src", Path(scratch) / "home"
        _copy_code(source)
        signature = registry.packed_signature(name, number)
        bundle = bundle_model(source / FOLDER.name, name, number, artifact, golden_inputs, signature)
        pinned = sorted(_pinned(_direct_requirements()))
        (source / "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")
        labels = {"model": name, "model_version": str(number), "model_digest": bundle.digest}
        tag, built = _build_bento(source, home, labels)
        shutil.copytree(built, out)
    _write_container_file(out)
    container_file = str((out / "Containerfile").resolve())
    return Built(str(out.resolve()), tag, name, number, bundle.digest, len(pinned), container_file)


def _copy_code(source: Path) -> None:
    code, ignored = Path(__file__).resolve().parents[1], shutil.ignore_patterns("__pycache__", "*.py[co]")
    for package in PACKAGES:
        shutil.copytree(code / package, source / package, ignore=ignored)


def _build_bento(source: Path, home: Path, labels: Mapping[str, str]) -> tuple[str, Path]:
    """Build with BentoML in a home of its own, so that the user's store of bentos is not touched."""
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
    """Replace the container file that BentoML generates: ours is smaller, and nothing in it runs as root."""
    text = (_TEMPLATES / "Containerfile").read_text(encoding="utf-8")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (out / "Containerfile").write_text(text.replace("{python}", version), encoding="utf-8")
    # `bentoml containerize` reads this one.
    (out / "env" / "docker" / "Dockerfile").write_text((out / "Containerfile").read_text(), encoding="utf-8")
    shutil.copy(out / "src" / "requirements.txt", out / "env" / "python" / "requirements.txt")


def _direct_requirements() -> Iterator[str]:
    for line in metadata.requires("forewarn") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and _is_of_extra(requirement):
            # Several pods share records, which a file does not allow; a signature is checked wherever it is loaded.
            requirement.marker = None
            yield str(requirement)
        elif canonicalize_name(requirement.name) not in _EXCLUDED:
            yield line


def _is_of_extra(requirement: Requirement) -> bool:
    """Tell whether a requirement is of an extra that an endpoint may need, and installed here."""
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return False
    if not any(marker.evaluate({"extra": extra}) for extra in _EXTRAS):
        return False
    try:
        return bool(metadata.version(requirement.name))
    except metadata.PackageNotFoundError:
        return False


def _pinned(lines: Iterator[str]) -> set[str]:
    """Pin requirements and everything they depend on to the versions installed here."""
    pinned: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(Requirement(line), "") for line in lines]
    while pending:
        requirement, parent_extra = pending.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": parent_extra}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            package = metadata.distribution(name)
            pinned[name] = f"{name}=={package.version}"
            pending += [(Requirement(line), extra) for line in package.requires or ()]
    return set(pinned.values())


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Build a bento and print it as JSON; return the exit status: 0 built, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        built = build(
            open_workspace(options.workspace, environ), options.out, model=options.model, version=options.version
        )
    except ForewarnError as error:
        parts = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        print(json.dumps({"error": parts}))  # noqa: T201
        return error.exit_status
    print(json.dumps(asdict(built)))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.bento", description="Build a bento of the endpoint with one model."
    )
    parser.add_argument("--workspace", type=Path, required=True, help="the workspace's folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to create")
    parser.add_argument("--model", help="the registered model (the only one that has a champion)")
    parser.add_argument("--version", type=int, help="its version (the champion)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
