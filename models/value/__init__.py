"""What acting on alarms has avoided, by plant and month: failures, hours and money, with intervals."""
