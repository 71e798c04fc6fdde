"""The revisions, a file each; the last one is what this program writes."""
