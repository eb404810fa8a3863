"""What the reports of the comparison and the benchmark share: shell, style, script, colours, scales, other formats."""
