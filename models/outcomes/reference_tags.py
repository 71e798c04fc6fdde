"""The rates that a version was evaluated with, as tags of a registry; a tag holds some eight thousand characters."""

import json
from collections.abc import Mapping

from models.outcomes.error_rates import ErrorRates

RATES, STRATA = "reference_rates", "reference_strata"
LONGEST = 7500


def reference_tags(rates: ErrorRates) -> dict[str, str]:
    """Return the tags; columns of strata that find no room any more are left out, the last ones first."""
    values = rates.to_dict()
    strata = values.pop("strata", {})
    while strata and len(json.dumps(strata)) > LONGEST:
        strata.pop(list(strata)[-1])
    tags = {RATES: json.dumps(values, sort_keys=True)}
    return tags | ({STRATA: json.dumps(strata)} if strata else {})


def read_reference(tags: Mapping[str, str]) -> ErrorRates | None:
    """Read what `reference_tags` wrote; None for a version that raises no alarms."""
    stored = tags.get(RATES)
    if stored is None:
        return None
    strata = json.loads(tags.get(STRATA, "{}"))
    return ErrorRates.from_dict(json.loads(stored) | ({"strata": strata} if strata else {}))
