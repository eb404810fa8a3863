"""unifiedqr's TensorFlow backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly"),
    array_modules=("tensorflow",),
    factory="unifiedqr_tensorflow.adapter:TensorFlowBackend",
    requirement="unifiedqr[tensorflow]",
    protocol="__tf_tensor__",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
