"""Signatures of versions: of this version and nobody else's, and demanded wherever a version is loaded."""

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.configuration.signing import SigningSettings
from data_contracts.errors import ModelError, UsageError
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from models.artifact.artifact import Artifact
from models.registry.promotion import promote, verify_version
from models.registry.registry import Registry
from models.registry.revision import Revision
from models.registry.signatures.keys import PrivateKey, make_key, read_private, read_public
from models.registry.signatures.version_signature import SIGNATURE, check_entry, sign_entry
from models.registry.store.file_digests import FILES_DIGEST, GOLDEN_DIGEST
from models.training.training import Trained, train

NAME = "small-plant"
EXPECTED = "signature of small-plant 1 is damaged"


@pytest.fixture(scope="module")
def trained(plant: Any, describe: Any) -> Trained:
    return train(describe("estimator.params={n_estimators=5}"), plant)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the private keys of ada and of bob."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bob"):
        make_key(folder / name)
    return folder


def public(keys: Path, *names: str) -> tuple[str, ...]:
    return tuple(f"{read_private(name, keys).public.text} {name}" for name in names)


def with_signing(workspace: Workspace, **values: Any) -> Registry:
    return Registry(replace(workspace, signing=SigningSettings(**values)))


@pytest.fixture(scope="module")
def signed(_mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory, trained: Trained, keys: Path) -> Workspace:
    """Return a workspace with two versions that ada signed when they were registered, and a third without."""
    workspace = init_workspace(tmp_path_factory.mktemp("signed") / "workspace")
    shutil.copy(_mlflow_template, workspace.root / "mlflow.db")
    registry = with_signing(workspace, key=str(keys / "ada"), signers=public(keys, "ada", "bob"), required=True)
    for number in (1, 2):
        assert registry.register(trained, revision=Revision("abc", "0123")) == number
    assert Registry(workspace).register(trained, revision=Revision("abc", "0123")) == 3
    return workspace


def test_a_required_signature_lets_only_signed_versions_load(
    signed: Workspace, keys: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any of the signers, so that keys can be rotated; an unsigned version is refused before it is opened."""
    both = public(keys, "bob", "ada")
    for signers in (both, public(keys, "ada")):
        registry = with_signing(signed, signers=signers, required=True)
        assert registry.load(NAME, 1).artifact == trained.artifact
        assert [entry.get("signed_by") for entry in registry.versions(NAME)] == [None, "ada", "ada"]
    assert with_signing(signed, signers=both).load(NAME, 3).artifact == trained.artifact
    monkeypatch.setattr(Artifact, "load", lambda *_, **__: pytest.fail("the files were opened"))
    registry = with_signing(signed, signers=both, required=True)
    for use in (registry.load, registry.recipe, lambda name, version: verify_version(registry, name, version)):
        with pytest.raises(ModelError, match=r"3 is not signed.*\n?.*bob or ada(.|\n)*models sign 3"):
            use(NAME, 3)
    stranger = with_signing(signed, signers=public(keys, "bob"), required=True)
    with pytest.raises(ModelError, match=r"1 is signed with SHA256:.*, an unknown key"):
        stranger.load(NAME, 1)
    assert "SHA256:" in stranger.versions(NAME)[2]["signed_by"]


def test_promotion_demands_the_signature(signed: Workspace, keys: Path) -> None:
    """An unsigned version does not become champion."""
    registry = with_signing(signed, signers=public(keys, "ada"), required=True)
    with pytest.raises(ModelError, match="not signed"):
        promote(
            registry,
            open_records(signed.records_url),
            NAME,
            expected_champion=None,
            to_version=3,
            actor="a",
            reason="r",
            evidence={},
            now=pd.Timestamp.now("UTC"),
        )
    assert registry.champion(NAME) is None


def test_a_signature_counts_for_its_version_alone(signed: Workspace) -> None:
    """Moved to another version with the same files it is refused, whatever the settings say."""
    registry = Registry(signed)
    moved, own = (registry.tags(NAME, version)[SIGNATURE] for version in (2, 1))
    try:
        for text in (moved, own[:-30] + "}", "{}", own.replace('"value": "', '"value": "AAAA')):
            registry._client.set_model_version_tag(NAME, "1", SIGNATURE, text)
            with pytest.raises(ModelError, match=EXPECTED):
                registry.load(NAME, 1)
            assert registry.versions(NAME)[2]["signed_by"] == "damaged"
    finally:
        registry._client.set_model_version_tag(NAME, "1", SIGNATURE, own)
    registry.load(NAME, 1)


TAGS = {"model_digest": "ab", "files_digest": "cd", "reference_rates": "{}", "known_until": "2026"}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    """Make one key: with one for each example the same draws would not give the same signature."""
    return make_key(tmp_path_factory.mktemp("keys") / "key")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_was_signed_cannot_be_changed(key: PrivateKey, data: st.DataObject) -> None:
    """Name, number, run, any tag's value or its absence: one change of any of them is found."""
    settings_ = SigningSettings()
    entry = SimpleNamespace(name="m", version="1", run_id="r", tags=dict(TAGS))
    entry.tags[SIGNATURE] = sign_entry(entry, key).to_json()
    assert check_entry(settings_, entry) is not None
    entry.tags["added later"] = "a note"
    assert check_entry(settings_, entry) is not None
    field = data.draw(st.sampled_from(["name", "version", "run_id", "value", *TAGS]))
    if field in TAGS:
        value = data.draw(st.none() | st.text().filter(lambda text: text != TAGS[field]))
        entry.tags = {name: text for name, text in {**entry.tags, field: value}.items() if text is not None}
    elif field == "value":
        content = json.loads(entry.tags[SIGNATURE])
        place = data.draw(st.integers(0, 80))
        other = "A" if content["value"][place] != "A" else "B"
        content["value"] = content["value"][:place] + other + content["value"][place + 1 :]
        entry.tags[SIGNATURE] = json.dumps(content)
    else:
        setattr(entry, field, {"name": "n", "version": "2", "run_id": "s"}[field])
    with pytest.raises(ModelError, match="damaged"):
        check_entry(settings_, entry)


def test_earlier_versions_can_be_signed(signed: Workspace, keys: Path, tmp_path: Path) -> None:
    """A version of before has no digest of all files and no signature: signing adds both, if its files are whole."""
    workspace = replace(signed, root=tmp_path)  # another root only to resolve the key in
    shutil.copy(keys / "bob", tmp_path / "key")
    registry = with_signing(workspace, key="key", signers=public(keys, "bob"), required=True)
    files = registry.tags(NAME, 3)[FILES_DIGEST]
    registry._client.delete_model_version_tag(NAME, "3", FILES_DIGEST)
    try:
        assert registry.sign(NAME, 3) in public(keys, "bob")[0]
        assert registry.load(NAME, 3).tags[FILES_DIGEST] == files
        assert registry.versions(NAME)[0]["signed_by"] == "bob"
        with pytest.raises(UsageError, match=r"not one of signing\.signers"):
            registry.sign(NAME, 3, key=str(keys / "ada"))
    finally:
        registry._client.delete_model_version_tag(NAME, "3", SIGNATURE)


def test_golden_inputs_are_bound_to_their_tag(signed: Workspace) -> None:
    """A changed file of them is refused before it is parsed."""
    registry = Registry(signed)
    assert GOLDEN_DIGEST in registry.tags(NAME, 2)
    with registry.run_file(NAME, 2, "golden_inputs.parquet") as file:
        before = file.read_bytes()
        file.write_bytes(b"PAR1" + before)
    try:
        with pytest.raises(ModelError, match="golden inputs of small-plant 2"):
            registry.golden_inputs(NAME, 2)
    finally:
        file.write_bytes(before)
    assert registry.golden_inputs(NAME, 2) is not None


def test_keys_are_private_and_of_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may not read the private key; nothing is written over; what is no key says what is."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made = make_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="cannot be created"):
        make_key(tmp_path / "key")
    assert read_private("key", tmp_path).public == made.public
    # As ssh-keygen writes it, in a variable.
    openssh = made.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    monkeypatch.setenv("PLANT_KEY", openssh)
    assert read_private("env:PLANT_KEY", tmp_path).public == made.public
    named = read_public(f"{made.public.text} the plant's key")
    assert (named.shown, named.text) == ("the plant's key", made.public.text)
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(UsageError, match="others may read"):
        read_private("key", tmp_path)
    elliptic = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content, reason in ((elliptic, "another kind"), (b"none", "no private key")):
        (tmp_path / "other").write_bytes(content)
        (tmp_path / "other").chmod(0o600)
        with pytest.raises(UsageError, match=reason):
            read_private("other", tmp_path)
    for text in ("ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAB3NzaC1yc2E="):
        with pytest.raises(UsageError, match=r"signing\.signers is no key"):
            read_public(text)


def test_the_workspaces_settings_say_who_counts(tmp_path: Path) -> None:
    """From the file, and from the environment, which wins; required signatures need signers."""
    init_workspace(tmp_path)
    assert open_workspace(tmp_path, {}).signing == SigningSettings()
    with (tmp_path / "forewarn.toml").open("a") as file:
        file.write('[signing]\nkey = "/keys/plant"\nsigners = ["ssh-ed25519 AAAA ada"]\nrequired = true\n')
    assert open_workspace(tmp_path, {}).signing == SigningSettings("/keys/plant", ("ssh-ed25519 AAAA ada",), True)
    environ = {"FOREWARN_SIGNING_SIGNERS": "ssh-ed25519 B bob, ssh-ed25519 C", "FOREWARN_SIGNING_REQUIRED": "false"}
    assert open_workspace(tmp_path, environ).signing == SigningSettings(
        "/keys/plant", ("ssh-ed25519 B bob", "ssh-ed25519 C"), False
    )
    (tmp_path / "forewarn.toml").write_text("[signing]\nrequired = true\n")
    with pytest.raises(UsageError, match=r"signing\.required"):
        open_workspace(tmp_path, {})
