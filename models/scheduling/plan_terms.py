"""The terms that a worklist is planned by: the workspace's settings, and the costs of the model's experiment."""

from models.artifact.trained_terms import TrainedTerms
from models.planning.planning_settings import PlanningSettings
from models.planning.worklist import Costs
from models.scheduling.fleet_plan import PlanTerms, RepairTerms


def costs_by(settings: PlanningSettings, trained: TrainedTerms) -> Costs:
    """Return what repairs and failures cost by the settings, else by the experiment that trained the model."""
    return Costs(
        planned=trained.false_alarm_cost if settings.planned is None else settings.planned,
        failure=trained.missed_failure_cost if settings.failure is None else settings.failure,
        downtime_per_hour=settings.downtime_per_hour,
        unplanned_hours=settings.unplanned_hours,
        planned_downtime_per_hour=settings.planned_downtime_per_hour,
    )


def terms_by(settings: PlanningSettings, trained: TrainedTerms) -> PlanTerms:
    """Return the terms by the settings; at least one capacity of the crews has to be set."""
    return PlanTerms(
        days=settings.days,
        machines_per_day=settings.machines_per_day,
        hours_per_day=settings.hours_per_day,
        repair=RepairTerms(settings.repair_hours, costs_by(settings, trained)),
        alerts_only=settings.alerts_only,
        failures_per_hour_after_repair=settings.failures_per_hour_after_repair,
    )
