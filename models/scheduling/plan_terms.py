"""The terms that a worklist is planned by: the workspace's settings, and the costs of the model's experiment."""

from models.artifact.trained_terms import TrainedTerms
from models.planning.cost_settings import CostSettings
from models.planning.planning_settings import PlanningSettings
from models.planning.worklist import Costs
from models.scheduling.fleet_plan import PlanTerms, RepairTerms


def costs_by(costs: CostSettings, trained: TrainedTerms) -> Costs:
    """Return what repairs and failures cost by the settings, else by the experiment that trained the model."""
    return costs.of_asset(missed_failure=trained.missed_failure_cost, false_alarm=trained.false_alarm_cost)


def terms_by(settings: PlanningSettings, costs: CostSettings, trained: TrainedTerms) -> PlanTerms:
    """Return the terms by the settings; at least one capacity of the crews has to be set."""
    return PlanTerms(
        days=settings.days,
        machines_per_day=settings.machines_per_day,
        hours_per_day=settings.hours_per_day,
        repair=RepairTerms(settings.repair_hours, costs_by(costs, trained)),
        alerts_only=settings.alerts_only,
        failures_per_hour_after_repair=settings.failures_per_hour_after_repair,
    )
