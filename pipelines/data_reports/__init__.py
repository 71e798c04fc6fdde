"""What imported data are like: spans, gaps, channels, failures, and the experiment to start with."""
