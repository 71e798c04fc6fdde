"""MLflow's database: paths of a moved workspace, and the version of its schema."""
