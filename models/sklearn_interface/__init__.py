"""scikit-learn's interface to forewarn's features and learners, for pipelines and searches of one's own."""
