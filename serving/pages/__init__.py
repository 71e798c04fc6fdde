"""Pages for people: the planner's, and the description of the endpoint's requests."""
