"""Reports: the HTML page about a champion, with its charts."""
