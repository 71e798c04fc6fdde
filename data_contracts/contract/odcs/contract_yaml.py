"""Reading the YAML of a contract: mistakes that YAML itself takes without a word are errors here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.contract.odcs.standard_keys import check_keys
from data_contracts.errors import UsageError

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard

REMEDY = "Fix the file; data_contracts/contracts has examples"


def invalid(path: Path, found: str, expected: str, remedy: str = REMEDY) -> UsageError:
    """Return the error that a contract is not what was expected."""
    return UsageError(f"contract {path} {found}", expected, remedy)


def parse(path: Path) -> "OpenDataContractStandard":
    """Read a file into the standard's models; every key of it is known and enforced, or documentation."""
    # Its models take half a second to import, which only commands that read a contract should pay for.
    import pydantic
    import yaml
    from open_data_contract_standard.model import OpenDataContractStandard

    try:
        content = _load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise invalid(path, f"is not YAML ({' '.join(str(error).split())})", "a valid YAML file") from error
    if not isinstance(content, dict):
        raise invalid(path, "violates the standard (it is not a mapping)", "an Open Data Contract Standard 3 document")
    try:
        check_keys(content)
    except UsageError as error:
        raise invalid(path, error.found, error.expected, error.remedy) from None
    try:
        return OpenDataContractStandard(**content)
    except (pydantic.ValidationError, TypeError) as error:
        problem = _problems(error) if isinstance(error, pydantic.ValidationError) else str(error)
        expected = "an Open Data Contract Standard 3 document"
        raise invalid(path, f"violates the standard ({problem})", expected) from error


def _problems(error: Any) -> str:
    return "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())


def _load(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """A loader that refuses a key that a mapping has twice: YAML would take the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                problem = f"the key {twice!r} occurs twice"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return super().construct_mapping(node, deep=deep)

    return yaml.load(text, Loader=Loader)  # noqa: S506 - a subclass of the safe loader
