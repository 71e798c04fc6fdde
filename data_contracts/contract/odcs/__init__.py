"""Reading a file of the Open Data Contract Standard: each of its rules is enforced, or the file is refused."""
