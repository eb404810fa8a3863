"""The laboratory beside the library: comparison, conformance suite, benchmark, command line.

It uses the library as anybody does; the library does not know it.
"""
