"""The options that say how files are laid out, for every command that reads them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from data_contracts.contract.contract import Contract
    from data_contracts.contract.file_layout import FileLayout

_Several = Annotated[tuple[str, ...], Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """How files are laid out; what is not given is taken from the contract's fileLayout, or recognised where safe.

    Parameters
    ----------
    time_zone : str, optional
        The zone of times that name none, such as ``UTC`` or ``Europe/Berlin``.
    separator : str, optional
        The mark between two columns: ``,`` ``;`` ``|`` or ``tab``.
    decimal : str, optional
        The decimal mark: ``.`` or ``,``.
    time_format : str, optional
        How times are written, such as ``'dd.mm.yyyy HH:MM'`` or ``'%d.%m.%Y %H:%M'``; ``epoch_s``, ``epoch_ms``,
        ``epoch_us`` or ``epoch_ns`` for counts since 1970; ``cycle`` for numbers of cycles; ``row`` where the number
        of an asset's row is the clock.
    missing : tuple of str
        A word for no value besides an empty cell, such as ``NaN``; may be given several times.
    encoding : str, optional
        The encoding of text, such as ``cp1252``; UTF-8 by default.
    skip_lines : int, optional
        How many lines stand before the header.
    units_row : bool, optional
        Whether a row of units stands under the header.
    rename : tuple of str
        A column or channel of the files and its name in the contract, as ``THEIRS=OURS``; may be given several times.
    asset : str, optional
        The asset of every row, where the files name none.
    asset_from : str, optional
        How a file's name gives the asset, such as ``'{asset}.csv'`` or ``'{asset}_{channel}'``.
    tags : str, optional
        How a long table's tag gives asset and channel: ``'{asset}.{channel}'``, or a CSV file with the columns tag,
        asset and channel.
    ignore_extra : bool
        Leave out columns that the contract does not know.
    layout : tuple of str
        ``long`` for a line for each value of a tag, or any other key of fileLayout, as ``KEY=VALUE``, such as
        ``cycle=1h`` or ``join=true``; may be given several times.
    """

    time_zone: str | None = None
    separator: str | None = None
    decimal: str | None = None
    time_format: str | None = None
    missing: _Several = ()
    encoding: str | None = None
    skip_lines: int | None = None
    units_row: bool | None = None
    rename: _Several = ()
    asset: str | None = None
    asset_from: str | None = None
    tags: str | None = None
    ignore_extra: Annotated[bool, Parameter(negative="")] = False
    layout: _Several = ()

    def of(self, contract: "Contract") -> "FileLayout":
        """Return the contract's layout, changed by what was given."""
        from data_contracts.contract.file_layout import PLAIN

        return self.over(contract.file_layout or PLAIN)

    def over(self, base: "FileLayout") -> "FileLayout":
        """Return a layout changed by what was given."""
        from data_contracts.contract.file_layout import layout_fields, override_layout
        from data_contracts.errors import UsageError

        values, places = _named_values(self.layout, layout_fields())
        for name in vars(self):
            value = getattr(self, name)
            if name not in ("layout", "rename") and value not in (None, (), False):
                values[name], places[name] = value, f"--{name.replace('_', '-')}"
        if self.units_row is False:
            values["units_row"] = False
        if self.rename:
            values["rename"] = {**values.get("rename", {}), **_pairs(self.rename)}
        layout = override_layout(base, values, places)
        if self.tags is not None and layout.shape == "wide":
            raise UsageError("--tags without --layout long", "a line for each value of a tag", "Add --layout long")
        return layout


Layout = Annotated[FileOptions, Parameter(name="*")]
NO_OPTIONS = FileOptions()


def _named_values(texts: tuple[str, ...], fields: "dict[str, str]") -> tuple[dict[str, Any], dict[str, str]]:
    """Read ``--layout KEY=VALUE``, the keys as in a contract or with hyphens or underscores."""
    from data_contracts.configuration.places import override
    from data_contracts.errors import UsageError, did_you_mean

    values: dict[str, Any] = {}
    for text in texts:
        if text in ("wide", "long"):
            values["shape"] = text
            continue
        key, equals, value = text.partition("=")
        first, dot, rest = key.strip().partition(".")
        name = fields.get(first) or (first.replace("-", "_") if first.replace("-", "_") in fields.values() else None)
        if not equals or name is None:
            remedy = did_you_mean(first, [*fields, "long", "wide"]) or "Correct it"
            raise UsageError(f"--layout {text}", f"long, wide or KEY=VALUE with one of {', '.join(fields)}", remedy)
        if dot:
            # The rest is a key of somebody's own, which may hold points.
            nested = values.setdefault(name, {})
            nested[rest.strip('"')] = value.strip()
        else:
            values |= override({}, [f"{name}={value}"])
    return values, {name: f"--layout {key}" for key, name in fields.items() if name in values}


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    from data_contracts.errors import UsageError

    pairs = {}
    for text in texts:
        theirs, equals, ours = text.rpartition("=")
        if not equals or not theirs.strip() or not ours.strip():
            raise UsageError(f"--rename {text}", "THEIRS=OURS, such as --rename datetime=event_time", "Correct it")
        pairs[theirs.strip()] = ours.strip()
    return pairs
