"""Charts as paths and texts: computed here, drawn as SVG by the templates, with a table behind each."""
