"""What `import forewarn` offers a notebook: a workspace with the commands' verbs, answered by frames and figures."""
