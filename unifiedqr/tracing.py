"""What compilers that trace Python must not trace: looking up a backend, and making rows of the table.

A compiler reads the mark of a function when it meets it, in the first call that is compiled, before any plugin has been
read. So no plugin can supply it, and the mark stands here.
"""

from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])

MARKS = {"_dynamo_marked_constant": True, "autograph_info__": None}
"""What `torch.compiler.assume_constant_result` sets, without the seconds that importing the compiler takes, and
`tf.autograph.experimental.do_not_convert`."""


def untraced(function: F) -> F:
    """Have tracing compilers run a function, instead of tracing it, and take its answer for a constant."""
    function.__dict__.update(MARKS)
    return function
