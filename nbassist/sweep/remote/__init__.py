"""A sweep that is asked elsewhere: on a Dask cluster (`dask`), or as a batch (`batch`); begin with `collecting`."""
