"""What the laboratory runs and measures in TensorFlow."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.instruments import GradientProgram, Instruments, Transform


class TensorFlowInstruments(Instruments):
    """TensorFlow as its users run it: in `tf.function`."""

    environment: Mapping[str, str] = {"TF_CPP_MIN_LOG_LEVEL": "2"}
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    unpooled: Mapping[str, str] = {"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
    on_every_member = (
        "tf.function around GradientTape",
        "XLA function around GradientTape",
        "tf.vectorized_map around GradientTape",
        "tf.function around ForwardAccumulator",
        "tf.function around GradientTape of GradientTape",
    )

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_tensorflow.instruments.transforms import transforms

        return transforms()

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        from unifiedqr_tensorflow.instruments.natives import NATIVES

        return NATIVES

    def program(self, f: Callable[..., Arrays]) -> Callable[..., Arrays]:
        from unifiedqr_tensorflow.instruments.natives import program

        return program(f)

    def gradient_program(self, f: Callable[..., Arrays]) -> GradientProgram:
        from unifiedqr_tensorflow.instruments.natives import gradient_program

        return gradient_program(f)

    def blas(self) -> str:
        return "Eigen"  # as part of TensorFlow, without a version of its own

    def place(self, x: Array, device: str) -> Array:
        from unifiedqr_tensorflow.instruments.natives import place

        return place(x, device)

    def wait(self, arrays: Arrays) -> None:
        from unifiedqr_tensorflow.instruments.natives import wait

        wait(arrays)
