"""A model sealed in with the endpoint's code: it answers without a registry, and never changes.

sealed/sealed.json            its name, version and digest
sealed/model/                 the artifact
sealed/golden_inputs.parquet  rows with the scores it gave when it was registered, if it has any
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ModelError, NotFoundError
from data_contracts.workspace import Workspace, init_workspace, open_workspace

if TYPE_CHECKING:
    from models.artifact.artifact import Artifact
    from models.artifact.golden_inputs import GoldenInputs

FOLDER = Path(__file__).resolve().parents[2] / "sealed"
"""Where a model is sealed in: beside the packages. There is none in a checkout."""
_NOTE = "sealed.json"
_MODEL = "model"
_GOLDEN = "golden_inputs.parquet"


@dataclass(frozen=True)
class LoadedBundle:
    """A sealed model, loaded."""

    artifact: "Artifact"


@dataclass(frozen=True)
class BundledModel:
    """A sealed model in place of a registry: it holds one version, and that is the champion.

    Parameters
    ----------
    folder
        Where it is sealed in.
    name, version, digest
        Which one.
    """

    folder: Path
    name: str
    version: int
    digest: str

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model, each with the version that it names."""
        from models.registry.registry import CHAMPION

        return {CHAMPION: self.version} if name == self.name else {}

    def load(self, name: str, version: int) -> LoadedBundle:
        """Load the version.

        Parameters
        ----------
        name, version
            The model's.

        Returns
        -------
        LoadedBundle

        Raises
        ------
        NotFoundError
            If another one is asked for.
        ModelError
            If it is not the model that was sealed in.
        """
        # The process that only starts the workers asks for the name, and need not wait for the learners.
        from models.artifact.artifact import Artifact

        if (name, version) != (self.name, self.version):
            raise NotFoundError(f"no {name} version {version}", f"{self.name} version {self.version}", "Build it anew")
        artifact = Artifact.load(self.folder / _MODEL)
        if artifact.digest != self.digest:
            raise ModelError(
                f"a sealed model of digest {artifact.digest[:12]}", f"digest {self.digest[:12]}", "Build it anew"
            )
        return LoadedBundle(artifact)

    def golden_inputs(self, name: str, version: int) -> "GoldenInputs | None":  # noqa: ARG002 - as of a registry
        """Return rows with the scores that the version gave when it was registered; None if there are none."""
        from models.artifact.golden_inputs import GoldenInputs

        file = self.folder / _GOLDEN
        return GoldenInputs.read(file) if file.is_file() else None


def find_bundled_model(folder: Path = FOLDER) -> BundledModel | None:
    """Find the model that came with the code.

    Parameters
    ----------
    folder
        Where it would be.

    Returns
    -------
    BundledModel or None
        None where none was sealed in.
    """
    note = folder / _NOTE
    if not note.is_file():
        return None
    content: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
    return BundledModel(folder, content["name"], content["version"], content["digest"])


def open_place(root: Path, environ: Mapping[str, str]) -> Workspace:
    """Open the workspace of an endpoint; one with a sealed model makes its own where there is none.

    Parameters
    ----------
    root
        The workspace's folder.
    environ
        Environment variables, as of `open_workspace`.

    Returns
    -------
    Workspace

    Raises
    ------
    NotFoundError
        If there is no workspace, and no sealed model to do without.
    """
    if find_bundled_model() is not None:
        init_workspace(root)
    return open_workspace(root, environ)


def bundle_model(
    folder: Path, name: str, version: int, artifact: "Artifact", golden: "GoldenInputs | None"
) -> BundledModel:
    """Seal a model in.

    Parameters
    ----------
    folder
        Where; created with its parents.
    name, version
        Which one it is.
    artifact
        The model.
    golden
        Rows with the scores that it gave when it was registered; None if there are none.

    Returns
    -------
    BundledModel
    """
    artifact.save(folder / _MODEL)
    if golden is not None:
        golden.save(folder / _GOLDEN)
    note = {"name": name, "version": version, "digest": artifact.digest}
    (folder / _NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return BundledModel(folder, name, version, artifact.digest)
