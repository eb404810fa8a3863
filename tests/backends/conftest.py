"""Fixtures of the backends' own tests."""

import pytest


@pytest.fixture(params=[False, True], ids=["np off", "np on"])
def semantics(request):
    """Run each test with MXNet's switches off, as a process starts, and on, as after `npx.set_np()`."""
    from unifiedqr_mxnet.compat import mx  # the other backends' tests do without MXNet

    before = mx.npx.is_np_shape(), mx.npx.is_np_array()
    with mx.util.np_shape(request.param), mx.util.np_array(request.param):
        yield request.param
        assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == (request.param, request.param)
    assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == before
