"""What pages say of machines at a time: where they stand, whether they run, their risk and their alarms."""
