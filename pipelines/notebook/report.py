"""What stored data are like, as frames."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pipelines.data_reports.data_report import DataReport
from pipelines.jobs.data_report import DescribedData
from pipelines.notebook import html


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What is stored about the assets, as `forewarn data report` says it.

    `forewarn.Workspace.report` returns one. In a notebook it shows its sentences, and tables that unfold.

    Parameters
    ----------
    described
        The reports, one for each asset type, what matches nothing, and the files that were written.
    """

    described: DescribedData

    @property
    def sentences(self) -> tuple[str, ...]:
        """The most important, a sentence each; last of each type what to try first."""
        return tuple(text for report in self.described.reports for text in _sentences(report))

    @property
    def channels(self) -> pd.DataFrame:
        """A row a channel: ``asset_type``, ``name``, ``missing`` (share), ``low``, ``high``, and on how many assets it
        is ``constant`` or ``dead``, without any value.
        """  # noqa: D205 - the columns are what there is to say
        rows = [
            {"asset_type": report.asset_type, **vars(channel)}
            for report in self.described.reports
            for channel in report.channels
        ]
        return pd.DataFrame(rows)

    @property
    def assets(self) -> pd.DataFrame:
        """A row an asset, those with the largest gaps first: ``rows``, ``first``, ``last``, ``gaps`` and the like."""
        parts = [
            report.profiles.rename_axis("asset").reset_index().assign(asset_type=report.asset_type)
            for report in self.described.reports
        ]
        return pd.concat(parts, ignore_index=True)

    @property
    def failures(self) -> pd.DataFrame:
        """A row a type: failures ``stored`` and ``matched``, ``breakdowns``, ``assets`` that failed, ``modes``, ..."""
        rows = [{"asset_type": report.asset_type, **asdict(report.failures)} for report in self.described.reports]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, those of ``forewarn data report --json``."""
        return self.described.to_dict()

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        said = (*self.sentences, *self.described.unmatched.sentences)
        tables = html.folded("channels", self.channels) + html.folded("assets", self.assets)
        return html.page("Stored data", html.sentences(said), tables)


def _sentences(report: DataReport) -> tuple[str, ...]:
    suggested = () if report.suggestion is None else (f"to start with: {report.suggestion.words}",)
    return (*report.head, *report.undeclared.sentences, *suggested)
