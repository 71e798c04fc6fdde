"""Batches of any size: kept on disk, checked chunk by chunk, stored in one commit; memory does not grow with them."""
