"""The signature of a version that is packed without its registry: what was signed comes along, and its signature."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from data_contracts.configuration.signing import SigningSettings
from models.registry.signatures.version_signature import Signature, Statement, check, damaged, statement_of


def packed(entry: Any, signature: Signature) -> dict[str, Any]:
    """Return the signature of an entry of MLflow's registry with what it is of, as JSON values."""
    statement = statement_of(entry.name, int(entry.version), str(entry.run_id), entry.tags, signature.tags)
    return {"statement": asdict(statement), "signer": signature.signer, "value": signature.value}


def check_bundled(
    signing: SigningSettings, bundled: Mapping[str, Any] | None, name: str, version: int, digest: str
) -> None:
    """Raise ModelError unless a bundled model of this digest is signed as the settings demand."""
    called = f"{name} {version}"
    if bundled is None:
        check(signing, Statement(name, version, "", digest, "", ""), None, called)
        return
    try:
        statement = Statement(**bundled["statement"])
        signature = Signature(str(bundled["signer"]), str(bundled["value"]), ())
    except (TypeError, KeyError) as error:
        raise damaged(called) from error
    if (statement.model, statement.version, statement.model_digest) != (name, version, digest):
        raise damaged(called)
    check(signing, statement, signature, called)
