"""Results as tables, and as files of other programs: csv, parquet, netCDF, Zarr, MATLAB, Excel.

It may know results files and labelled arrays.
It must never know experiments, keys or the memo, and never compute points.
"""
