"""The model registry in MLflow: each version is tagged with its full provenance, and named by aliases.

MLflow, and what only training needs, are imported where they are used: they take seconds to load, and the endpoint,
which only loads a model, should not wait for plots.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.configuration.private_files import create_private
from data_contracts.configuration.sqlite_urls import refuse_emptied
from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from data_contracts.workspace import Workspace
from models.experiment.training_data import deleted_tables
from models.refitting.tags import REFIT_OF, refit_of
from models.registry.metric_names import is_figure
from models.registry.mlflow_store import is_missing, is_uncreated, local_copy, storage_errors
from models.registry.revision import Revision
from models.registry.signatures.version_signature import (
    SIGNATURE,
    check_entry,
    read_signature,
    sign_entry,
    signed_by,
    signing_key,
)
from models.registry.store.file_digests import (
    FILES_DIGEST,
    GOLDEN_DIGEST,
    MODEL_DIGEST,
    check_files,
    check_golden,
    files_digest,
)
from models.registry.store.moved_store import own_path, rewrite_moved, rewrite_moved_if_writable
from models.registry.store.store_schema import refuse_other_schema
from models.registry.version_files import artifact_folder, trained_terms

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from features.recipe.recipe import Recipe
    from models.artifact.artifact import Artifact
    from models.artifact.golden_inputs import GoldenInputs
    from models.outcomes.error_rates import ErrorRates
    from models.registry.signatures.keys import PrivateKey
    from models.training.training import Trained

CHAMPION, CHALLENGER, PREVIOUS, SHADOW = "champion", "challenger", "previous", "shadow"
_LISTED_METRICS = (
    "rmse_capped",
    "rmse_uncapped",
    "rmse",
    "f1",
    "pr_auc",
    "failures_caught",
    "failures_total",
    "expected_cost",
)


@dataclass(frozen=True)
class LoadedModel:
    """A registered version, ready to predict.

    Parameters
    ----------
    name, version
        The registered model and the number of its version.
    artifact
        The model.
    reference
        The error rates of its evaluation, promised for monitoring; None when it gives no alerts.
    tags
        Its provenance: ``data_version``, ``contract``, ``feature_set_hash``, ``code_revision``, ``seed``,
        ``experiment``, ``known_until``, ...
    """

    name: str
    version: int
    artifact: "Artifact"
    reference: "ErrorRates | None"
    tags: Mapping[str, str]


class Registry:
    """Register, find, load and alias models.

    Parameters
    ----------
    workspace
        Where MLflow's data lies.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._opened: MlflowClient | None = None

    def register(self, trained: "Trained", *, revision: Revision) -> int:
        """Register a trained model with everything needed to trust and to reproduce it, signed if a key is set.

        The first version of a name gets no alias: promotion is a separate decision.

        Parameters
        ----------
        trained
            The result of `models.train`.
        revision
            The code that trained it.

        Returns
        -------
        int
            The number of the version.

        Raises
        ------
        StorageError
            If MLflow's store cannot be used.
        UsageError
            If the key to sign with cannot be used.
        """
        from models.registry.registration.register import register

        key = signing_key(self.workspace)
        with storage_errors(self.workspace):
            # The workspace may have been mounted at another path since, and MLflow would write there.
            rewrite_moved(self.workspace)
        entry = register(self._client, self.workspace, trained, revision)
        if key is not None:
            with storage_errors(self.workspace):
                self._sign(str(entry.name), int(entry.version), key)
        return int(entry.version)

    def refuse_unusable_key(self, *, needed: bool = False) -> None:
        """Raise UsageError if the key that new versions are signed with cannot be used: before hours of training.

        `needed` if the version is to be loaded at once, for which it may have to be signed.
        """
        if signing_key(self.workspace) is None and needed and self.workspace.signing.required:
            raise UsageError(
                "signing.required without signing.key",
                "a key to sign the new version with, as it is loaded to be compared",
                "Set signing.key where models are retrained",
            )

    def sign(self, name: str, version: int, *, key: str = "") -> str:
        """Sign a version, whoever signed it before, with the key of the settings or of a file; return the public key.

        ModelError if its files are not those that were registered; UsageError if there is no key, or it cannot be used.
        """
        from models.artifact.artifact import Artifact

        private, entry = signing_key(self.workspace, key), self._version(name, version)
        if private is None:
            raise UsageError(
                "no key to sign with",
                "a private key",
                "Name its file with --key or in signing.key; `forewarn models keygen FILE` makes one",
            )
        with storage_errors(self.workspace), self._model_folder(entry) as folder:
            check_files(folder, entry.tags, f"{name} {version}")
            if FILES_DIGEST not in entry.tags:
                # Versions once had only the digest of their artifact, which its loading compares.
                Artifact.load(artifact_folder(folder), digest=entry.tags[MODEL_DIGEST], trial=True)
                self._client.set_model_version_tag(name, str(version), FILES_DIGEST, files_digest(folder))
            self._sign(name, version, private)
        return private.public.text

    def packed_signature(self, name: str, version: int) -> dict[str, Any] | None:
        """Return the signature of a version, with what it is of, to be packed with it; None if it has none."""
        from models.registry.signatures.bundled_signature import packed

        entry = self._version(name, version)
        text = entry.tags.get(SIGNATURE)
        return None if text is None else packed(entry, read_signature(text, f"{name} {version}"))

    def _sign(self, name: str, version: int, key: "PrivateKey") -> None:
        signature = sign_entry(self._client.get_model_version(name, str(version)), key)
        self._client.set_model_version_tag(name, str(version), SIGNATURE, signature.to_json())

    def load(self, name: str, version: int | str, *, trial: bool = False) -> LoadedModel:
        """Load a version.

        Parameters
        ----------
        name
            The model's name.
        version
            Its number, or an alias such as ``"champion"``.
        trial
            Open its trees in a process of its own first, which a damaged text may end instead of this one.

        Returns
        -------
        LoadedModel

        Raises
        ------
        NotFoundError
            If there is no such model, version or alias.
        ModelError
            If its signature is damaged, or is missing or by somebody else where one is required, or its files are not
            those that were registered; both are looked at before any file is opened.
        """
        # The learners take seconds to import, and aliases and tags need none of them.
        from models.artifact.artifact import Artifact
        from models.outcomes.reference_tags import read_reference

        entry = self._version(name, version)
        with storage_errors(self.workspace), self._checked_folder(entry) as folder:
            artifact = Artifact.load(
                artifact_folder(folder),
                digest=entry.tags[MODEL_DIGEST],
                trial=trial,
                trained=trained_terms(entry.tags),
            )
        return LoadedModel(name, int(entry.version), artifact, read_reference(entry.tags), dict(entry.tags))

    def check_version(self, name: str, version: int) -> tuple[int, int]:
        """Compare signature, files and golden inputs of a version with what was registered; return files and bytes.

        ModelError if one of them is another.
        """
        entry = self._version(name, version)
        with storage_errors(self.workspace), self._checked_folder(entry) as folder:
            sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
        if GOLDEN_DIGEST in entry.tags:
            from models.artifact.golden_inputs import FILE

            with self.run_file(name, version, FILE) as file:
                check_golden(file, entry.tags, f"{name} {version}")
        return len(sizes), sum(sizes)

    def recipe(self, name: str, version: int | str) -> "Recipe":
        """Return the recipe of a version, by number or alias, without loading its model."""
        from models.artifact.model_json import read_recipe

        with storage_errors(self.workspace), self._checked_folder(self._version(name, version)) as folder:
            return read_recipe(artifact_folder(folder))

    def tags(self, name: str, version: int | str) -> dict[str, str]:
        """Return the tags of a version, by number or alias."""
        return dict(self._version(name, version).tags)

    def set_tag(self, name: str, version: int | str, tag: str, value: str) -> None:
        """Note something about a version that was found out after its registration."""
        with storage_errors(self.workspace):
            self._client.set_model_version_tag(name, str(self._version(name, version).version), tag, value)

    def requirements(self, name: str, version: int | str) -> tuple[str, ...]:
        """Return the libraries that a version was registered with, such as ``numpy==2.4.6``; empty where unknown."""
        with storage_errors(self.workspace), self._model_folder(self._version(name, version)) as folder:
            file = folder / "requirements.txt"
            return tuple(file.read_text(encoding="utf-8").split()) if file.exists() else ()

    def golden_inputs(self, name: str, version: int | str) -> "GoldenInputs | None":
        """Return the rows with the scores recorded at a version's registration; None if it has none."""
        tags = self.tags(name, version)
        if "golden_inputs" not in tags:
            return None
        from models.artifact.golden_inputs import FILE, GoldenInputs

        with self.run_file(name, version, FILE) as file:
            check_golden(file, tags, f"{name} {version}")
            return GoldenInputs.read(file)

    def champion(self, name: str) -> int | None:
        """Return the version that is the champion; None when there is none. Cheap enough to call each second."""
        return self.get_alias(name, CHAMPION)

    def get_alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias names; None when it names none."""
        from mlflow.exceptions import MlflowException

        with storage_errors(self.workspace):
            try:
                return int(self._client.get_model_version_by_alias(name, alias).version)
            except MlflowException as error:
                if is_missing(error):
                    return None
                raise

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version, and away from any other.

        Parameters
        ----------
        name
            The model's name.
        alias
            Such as ``"champion"``.
        version
            The version.

        Raises
        ------
        NotFoundError
            If there is no such version.
        """
        self._version(name, version)
        with storage_errors(self.workspace):
            self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete an alias, if it exists."""
        if self.get_alias(name, alias) is not None:
            with storage_errors(self.workspace):
                self._client.delete_registered_model_alias(name, alias)

    def aliases(self, name: str, version: int) -> tuple[str, ...]:
        """Return the aliases that name a version, sorted."""
        with storage_errors(self.workspace):
            aliases = self._model(name).aliases
        return tuple(sorted(alias for alias, number in aliases.items() if int(number) == version))

    def delete_version(self, name: str, version: int) -> None:
        """Delete a version, whatever its aliases; `models.registry.promotion.delete_version` checks them first."""
        with storage_errors(self.workspace):
            self._client.delete_model_version(name, str(version))

    def create_store(self) -> None:
        """Create MLflow's tables unless they are there; two processes that did so at once would corrupt them."""
        with storage_errors(self.workspace):
            self._client.search_registered_models(max_results=1)

    def names(self) -> tuple[str, ...]:
        """Return the names of the registered models, sorted."""
        with storage_errors(self.workspace):
            if is_uncreated(self.workspace.mlflow_uri):
                return ()
            return tuple(sorted(model.name for model in self._client.search_registered_models()))

    def versions(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return the versions of a model, the newest first, as plain values.

        Parameters
        ----------
        name
            The model's name.

        Returns
        -------
        tuple of dict
            ``model``, ``version``, ``aliases``, ``estimator``, ``trained_until``, and metrics of its evaluation.

        Raises
        ------
        NotFoundError
            If there is no such model.
        """
        with storage_errors(self.workspace):
            model = self._model(name)
            aliases: dict[str, list[str]] = {}
            for alias, number in sorted(model.aliases.items()):
                aliases.setdefault(str(number), []).append(alias)
            entries = self._client.search_model_versions(f"name = '{name}'")
            newest = sorted(entries, key=lambda entry: -int(entry.version))
            return tuple(self._summary(entry, aliases.get(str(entry.version), [])) for entry in newest)

    def metrics(self, name: str, version: int | str) -> dict[str, float]:
        """Return the metrics of a version's evaluation, by number or alias."""
        metrics = self._client.get_run(str(self._version(name, version).run_id)).data.metrics
        return {key: value for key, value in metrics.items() if is_figure(key)}

    @contextlib.contextmanager
    def run_file(self, name: str, version: int | str, file: str) -> Iterator[Path]:
        """Give access to a file logged with a version, such as its model card or its predictions.

        Parameters
        ----------
        name, version
            Which version, by number or alias.
        file
            The file's name.

        Yields
        ------
        Path
            Where to read it; it may be a temporary copy.
        """
        run_id = str(self._version(name, version).run_id)
        with storage_errors(self.workspace):
            folder = own_path(self.workspace, str(self._client.get_run(run_id).info.artifact_uri))
            with tempfile.TemporaryDirectory() as scratch:
                yield folder / file if folder else Path(self._client.download_artifacts(run_id, file, scratch))

    @property
    def _client(self) -> "MlflowClient":
        if self._opened is None:
            from mlflow import MlflowClient

            # Creating its tables on first use needs no log line, and errors are raised as StorageError.
            logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)
            refuse_emptied(self.workspace.mlflow_uri, "MLflow's store")
            with storage_errors(self.workspace):
                rewrite_moved_if_writable(self.workspace)
                create_private(self.workspace.mlflow_uri)
                refuse_other_schema(self.workspace)
                self._opened = MlflowClient(self.workspace.mlflow_uri, self.workspace.mlflow_uri)
        return self._opened

    def _model(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if not is_missing(error):
                raise
            names = self.names()
            hint = did_you_mean(name, names) or "Train one with `forewarn train`, or name another"
            raise NotFoundError(
                f"no model {name!r} is registered",
                f"one of {', '.join(names)}" if names else "a registered model",
                hint,
            ) from error

    def _version(self, name: str, version: int | str) -> "ModelVersion":
        from mlflow.exceptions import MlflowException

        by_number = isinstance(version, int) or version.isdecimal()
        with storage_errors(self.workspace):
            try:
                if by_number:
                    return self._client.get_model_version(name, str(version))
                return self._client.get_model_version_by_alias(name, str(version))
            except MlflowException as error:
                if not is_missing(error):
                    raise
                raise _no_version(name, version, [str(entry["version"]) for entry in self.versions(name)]) from error

    @contextlib.contextmanager
    def _checked_folder(self, version: "ModelVersion") -> Iterator[Path]:
        """Yield MLflow's folder of a version, once its signature and all of its files are what they have to be."""
        check_entry(self.workspace.signing, version)
        with self._model_folder(version) as folder:
            check_files(folder, version.tags, f"{version.name} {version.version}")
            yield folder

    @contextlib.contextmanager
    def _model_folder(self, version: "ModelVersion") -> Iterator[Path]:
        """Yield MLflow's folder of a version: in place when it lies on this machine, otherwise downloaded."""
        with local_copy(
            self.workspace, self._client.get_model_version_download_uri(version.name, version.version)
        ) as folder:
            yield folder

    def _summary(self, version: "ModelVersion", aliases: list[str]) -> dict[str, Any]:
        metrics = self._client.get_run(str(version.run_id)).data.metrics
        listed = {key: round(metrics[key], 4) for key in _LISTED_METRICS if key in metrics}
        tags: dict[str, Any] = {name: version.tags.get(name) for name in ("estimator", "trained_until")}
        if (judged := refit_of(version.tags)) is not None:
            tags[REFIT_OF] = judged
        # Only where it is not: nothing is deleted unless that was declared.
        if deleted_tables(self.workspace, version.tags):
            tags["reproducible"] = False
        if (signer := signed_by(self.workspace.signing, version)) is not None:
            tags["signed_by"] = signer
        return {"model": version.name, "version": int(version.version), "aliases": aliases, **tags, **listed}


def _no_version(name: str, version: int | str, numbers: list[str]) -> NotFoundError:
    if version == CHAMPION:
        return NotFoundError(
            f"the model {name!r} has no champion",
            f"a promoted version; registered: {', '.join(numbers) or 'none'}",
            "Promote one with `forewarn models promote VERSION --reason ...`"
            if numbers
            else "Train one with `forewarn train`",
        )
    return NotFoundError(
        f"the model {name!r} has no version {version}", f"one of {', '.join(numbers) or 'none yet'}", "Name another"
    )
