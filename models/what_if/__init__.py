"""What if: another threshold, horizon, crew, inspection interval, stock or model, beside what is done today."""
