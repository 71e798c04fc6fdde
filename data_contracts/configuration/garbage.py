"""How a process that runs for long collects its garbage: what is reference-counted is freed without."""

import gc


def collect_new_garbage(objects_between: int) -> None:
    """Leave what exists out of every later collection, and look through all the rest now and then.

    To be called when a process has loaded what it needs: a million objects, which take a quarter of a second to search.
    """
    gc.collect()
    gc.freeze()
    # Python searches the oldest objects again only when there are a quarter more than it last found. This finds none;
    # without it, what had survived one collection would stay until there were 200,000 more.
    gc.collect()
    # After so many new objects those are searched, every third time what survived, and some eighth time all.
    gc.set_threshold(objects_between, 1, 1)
