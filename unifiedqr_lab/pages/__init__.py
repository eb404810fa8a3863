"""What the reports of comparison and benchmark share: shell, style, script, colours, scales, other formats."""
