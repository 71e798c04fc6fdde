"""What is the same for everybody: where the endpoint is found to be one, and its document to read and to try."""
