"""Whatever comes over the network is read or refused: each decoder fed with spoiled messages."""
