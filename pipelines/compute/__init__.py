"""Where features are computed: in threads of this process, or by Dask in others."""
