"""The model packed with the endpoint's code in a bento: served without a registry, and never replaced.

bundled_model/manifest.json          its name, version and digest, and the version's signature, if it has one
bundled_model/model/                 the artifact
bundled_model/golden_inputs.parquet  rows with the scores it gave when it was registered, if it has any
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.configuration.signing import SigningSettings
from data_contracts.errors import NotFoundError
from data_contracts.workspace import Workspace, init_workspace, open_workspace

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.golden_inputs import GoldenInputs

FOLDER = Path(__file__).resolve().parents[2] / "bundled_model"
"""Beside the packages; a checkout has none."""
_MANIFEST = "manifest.json"
_MODEL = "model"
_GOLDEN_INPUTS = "golden_inputs.parquet"


@dataclass(frozen=True)
class LoadedBundle:
    """A bundled model, loaded."""

    artifact: "Artifact"


@dataclass(frozen=True)
class BundledModel:
    """A registry of one version, the champion: the bundled model."""

    folder: Path
    name: str
    version: int
    digest: str
    signature: Mapping[str, Any] | None = None
    signing: SigningSettings = field(default_factory=SigningSettings)

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model with their versions."""
        from models.registry.registry import CHAMPION

        return {CHAMPION: self.version} if name == self.name else {}

    def load(self, name: str, version: int, *, trial: bool = False) -> LoadedBundle:
        """Load the bundled version; NotFoundError for another one, ModelError if its digest is not the manifest's.

        ModelError too if its signature is damaged, or is missing or by somebody else where one is required.
        With `trial` its trees are opened by a process of its own first.
        """
        # The process that starts the workers needs only the name, and must not wait for LightGBM to be imported.
        from models.artifact.artifact import Artifact

        if (name, version) != (self.name, self.version):
            raise NotFoundError(f"no {name} version {version}", f"{self.name} version {self.version}", "Build it anew")
        self._check_signature()
        return LoadedBundle(Artifact.load(self.folder / _MODEL, digest=self.digest, trial=trial))

    def _check_signature(self) -> None:
        if self.signature is None and not self.signing.required:
            return
        from models.registry.signatures.bundled_signature import check_bundled

        check_bundled(self.signing, self.signature, self.name, self.version, self.digest)

    def golden_inputs(self, name: str, version: int) -> "GoldenInputs | None":  # noqa: ARG002 - as of a registry
        """Return rows with the scores that the version gave when it was registered; None if it has none."""
        from models.artifact.golden_inputs import GoldenInputs

        file = self.folder / _GOLDEN_INPUTS
        return GoldenInputs.read(file) if file.is_file() else None


def find_bundled_model(folder: Path = FOLDER, signing: SigningSettings | None = None) -> BundledModel | None:
    """Find the model packed with this code, with the workspace's settings of signatures; None in a checkout."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return None
    content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    identity = content["name"], content["version"], content["digest"]
    return BundledModel(folder, *identity, content.get("signature"), signing or SigningSettings())


def open_endpoint_workspace(root: Path, environ: Mapping[str, str]) -> Workspace:
    """Open the workspace; with a bundled model, create it first if there is none."""
    if find_bundled_model() is not None:
        init_workspace(root)
    return open_workspace(root, environ)


def bundle_model(
    folder: Path,
    name: str,
    version: int,
    artifact: "Artifact",
    golden_inputs: "GoldenInputs | None",
    signature: Mapping[str, Any] | None = None,
) -> BundledModel:
    """Write a model and its manifest to a folder, with the signature of its version."""
    artifact.save(folder / _MODEL)
    if golden_inputs is not None:
        golden_inputs.save(folder / _GOLDEN_INPUTS)
    manifest = {"name": name, "version": version, "digest": artifact.digest}
    if signature is not None:
        manifest["signature"] = signature
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return BundledModel(folder, name, version, artifact.digest, signature)
