"""The ML Test Score of a workspace: each item of the rubric, with what proves it and what is missing."""
