"""The endpoint's answers: declared once for the server and its OpenAPI document, from which the client's are generated.

Plain dictionaries; a newer endpoint may add fields.
"""

from serving.schemas.answers.assets import AssetRecord, AssetsAnswer
from serving.schemas.answers.errors import ErrorAnswer
from serving.schemas.answers.history import (
    FailureRecord,
    HistoryAnswer,
    OutcomeRecord,
    PredictionRecord,
    WhyAnswer,
    WorkRecord,
)
from serving.schemas.answers.model import ModelAnswer, RejectedVersionAnswer, ShadowAnswer, WorkerAnswer
from serving.schemas.answers.predictions import (
    ConditionAnswer,
    CyclesAnswer,
    DriverAnswer,
    HorizonAnswer,
    IntervalAnswer,
    ModeAnswer,
    PredictAnswer,
    PredictionAnswer,
    ProvenanceAnswer,
    ReasonCode,
    Status,
)
from serving.schemas.answers.twins import (
    ListedTwinAnswer,
    TwinAnswer,
    TwinChangeAnswer,
    TwinEntryAnswer,
    TwinLogAnswer,
    TwinPropertyAnswer,
    TwinsAnswer,
    TwinValueAnswer,
)
from serving.schemas.answers.work_orders import StoredWork, WorkOrdersAnswer
from serving.schemas.answers.worklists import LeftOutLine, WorklistAnswer, WorklistLine

__all__ = [
    "AssetRecord",
    "AssetsAnswer",
    "ConditionAnswer",
    "CyclesAnswer",
    "DriverAnswer",
    "ErrorAnswer",
    "FailureRecord",
    "HistoryAnswer",
    "HorizonAnswer",
    "IntervalAnswer",
    "LeftOutLine",
    "ListedTwinAnswer",
    "ModeAnswer",
    "ModelAnswer",
    "OutcomeRecord",
    "PredictAnswer",
    "PredictionAnswer",
    "PredictionRecord",
    "ProvenanceAnswer",
    "ReasonCode",
    "RejectedVersionAnswer",
    "ShadowAnswer",
    "Status",
    "StoredWork",
    "TwinAnswer",
    "TwinChangeAnswer",
    "TwinEntryAnswer",
    "TwinLogAnswer",
    "TwinPropertyAnswer",
    "TwinValueAnswer",
    "TwinsAnswer",
    "WhyAnswer",
    "WorkOrdersAnswer",
    "WorkRecord",
    "WorkerAnswer",
    "WorklistAnswer",
    "WorklistLine",
]
