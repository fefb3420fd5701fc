"""The network of the paper: blocks, RUN, presets, size and cost, export."""
