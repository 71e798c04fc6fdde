"""The asynchronous client, from which `generate.py` makes the synchronous one: the same without `async` and `await`."""
