"""What kinds of sources share that take files from a watched folder: each whole, once, and then
archived, or set aside with the reason."""
