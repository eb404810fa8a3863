"""unifiedqr's TensorFlow backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="tensorflow",
    distributions=("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly"),
    array_modules=("tensorflow",),
    factory="unifiedqr_tensorflow.adapter:TensorFlowBackend",
    protocol="__tf_tensor__",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
    environment={"TF_CPP_MIN_LOG_LEVEL": "2"},
    threads=("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    unpooled={"TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"},
)
