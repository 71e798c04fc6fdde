"""What a page about the whole fleet reads of the records, each kind in one statement whatever the fleet's size."""
