"""An artifact's JSON file, readable without the learners that its model needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_contracts.errors import ModelError, NotFoundError
from features.recipe.recipe import Recipe

FORMAT = 1
JSON_FILE = "model.json"


def read_model_json(folder: Path) -> Mapping[str, Any]:
    """Read the JSON of an artifact's folder, refusing what is damaged or of another format."""
    file = folder / JSON_FILE
    if not file.is_file():
        raise NotFoundError(f"no model at {folder}", f"a folder with a {JSON_FILE}", "Register the model again")
    try:
        content: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON ({error})", "an intact model", "Register the model again") from error
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{file} is of format {content.get('format')!r}",
            f"format {FORMAT}",
            "Use the version of forewarn that wrote it",
        )
    return content


def read_recipe(folder: Path) -> Recipe:
    """Read the recipe alone: LightGBM and scikit-learn take seconds to import."""
    return Recipe.from_json(json.dumps(read_model_json(folder)["recipe"]))
