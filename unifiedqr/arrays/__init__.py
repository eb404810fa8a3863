"""Arithmetic of arrays: what rules and kernels are written in, on top of a namespace of the Array API standard."""
