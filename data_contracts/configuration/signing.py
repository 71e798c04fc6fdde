"""Whose signatures of model versions count: a section of the workspace's settings, read when it is opened."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, EnvironmentSource
from data_contracts.configuration.places import Source
from data_contracts.configuration.values import WrongValueError, build, configuration

SECTION = "signing"
_PREFIX = "FOREWARN_"


def _listed(value: Any) -> Any:
    """Split what an environment variable holds: public keys have neither commas nor line ends."""
    return tuple(key.strip() for key in re.split(r"[,\n]", value) if key.strip()) if isinstance(value, str) else value


@configuration
class SigningSettings:
    """Signatures of registered versions (Ed25519), checked wherever a version is loaded; see `forewarn models keygen`.

    The package for it is in the extra forewarn[signing].
    """

    key: str = ""
    """The private key that new versions are signed with: a file, or env:NAME for a variable that holds the key itself;
    empty signs none."""
    signers: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)] = ()
    """The public keys that count, each as OpenSSH writes it: "ssh-ed25519 AAAA... name". A variable separates them by
    commas."""
    required: Annotated[bool, Strict()] = False
    """Whether a version without a signature by one of `signers` is refused."""

    def __post_init__(self) -> None:
        if self.required and not self.signers:
            raise WrongValueError("required", "required signatures without signers", "the public keys that count")


class _SigningVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="_", env_nested_max_split=1)

    signing: SigningSettings = SigningSettings()


def read_signing(content: Mapping[str, Any], source: Source, environ: Mapping[str, str]) -> SigningSettings:
    """Read ``[signing]`` of a settings file; variables such as FOREWARN_SIGNING_REQUIRED win."""
    names = (each.name for each in fields(SigningSettings))
    variables = {f"{SECTION}.{name}": f"{_PREFIX}{SECTION}_{name}".upper() for name in names}
    known = {name: text for name, text in environ.items() if name in variables.values()}
    given = EnvironmentSource(_SigningVariables, known)().get(SECTION, {}) if known else {}
    places = {f"{SECTION}.{key}": variables[f"{SECTION}.{key}"] for key in given}
    table = content.get(SECTION, {})
    merged = {**table, **given} if isinstance(table, dict) else table
    return build(_SigningVariables, {SECTION: merged}, replace(source, places=places)).signing
