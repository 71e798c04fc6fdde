"""Settings from environment variables."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from data_contracts.configuration.places import Source, read_toml, toml_value
from data_contracts.configuration.values import build


class EnvironmentSettings(BaseSettings):
    """Settings that have environment variables, and read them only through an `EnvironmentSource`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic gives all of these
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given in code, so that constructing reads no environment."""
        return (init_settings,)


_Section = TypeVar("_Section", bound=EnvironmentSettings)


def read_section(file: Path, environ: Mapping[str, str], holder: type[_Section], *, others: bool = False) -> _Section:
    """Read the only section of `holder` from a settings file, which need not exist; environment variables win.

    With `others`, keys of the section that `holder` has not are somebody else's. `UsageError` if a value cannot be
    understood.
    """
    ((name, field),) = holder.model_fields.items()
    content, source = read_toml(file) if file.exists() else ({}, Source(str(file)))
    prefix = f"{holder.model_config.get('env_prefix', '')}{name}_"
    variables = {key: f"{prefix}{key}".upper() for key in field.annotation.__annotations__}
    known = {variable: text for variable, text in environ.items() if variable in variables.values()}
    given = EnvironmentSource(holder, known)().get(name, {})
    places = {f"{name}.{key}": variables[key] for key in given}
    table = content.get(name, {})
    if others and isinstance(table, dict):
        table = {key: value for key, value in table.items() if key in variables}
    merged = {**table, **given} if isinstance(table, dict) else table
    return build(holder, {name: merged}, replace(source, places=places))


class EnvironmentSource(EnvSettingsSource):
    """Reads settings from a mapping of variables; an empty variable is one that is not set.

    Numbers and truth values are written as in TOML, all else as bare text.
    """

    def __init__(self, settings: type[EnvironmentSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): text for name, text in self._environ.items() if text}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002 - pydantic gives all of these
        """Leave a list to its own validator, which takes bare text; by default it would have to be JSON."""
        return value

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """Read one value, or a section's."""
        prepared = super().prepare_field_value(field_name, field, value, value_is_complex)
        if not isinstance(prepared, dict):
            return _read(prepared, field)
        fields = field.annotation.__pydantic_fields__  # type: ignore[union-attr]
        return {key: _read(text, fields[key]) for key, text in prepared.items()}


def _read(text: Any, field: FieldInfo) -> Any:
    if not isinstance(text, str) or not {int, float, bool} & {field.annotation, *get_args(field.annotation)}:
        return text
    return toml_value(text.lower() if text.lower() in ("true", "false") else text)
