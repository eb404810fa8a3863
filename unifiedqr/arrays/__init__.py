"""Arithmetic of arrays, in which rules and kernels are written, on top of a namespace of the Array API standard."""
