"""Forward algorithms written on the Array API; derivatives never pass through them."""
