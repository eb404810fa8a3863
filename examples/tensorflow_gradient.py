"""QR in TensorFlow: an ordinary differentiable function."""

import tensorflow as tf

import unifiedqr as uqr

A = tf.Variable([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]], dtype=tf.float64)
with tf.GradientTape() as tape:
    Q, R = uqr.qr(A)
    loss = Q[0, 1] + R[0, 1] ** 2
print(tape.gradient(loss, A).numpy())
