"""The machines of the live plant: their work, their bearings, what their sensors read, and what is reported of them."""
