"""What acting on alarms has avoided: measured by the settings of the workspace, as a table, a file and a page."""
