"""The processes that read topics: each file connects one stage to the configuration, and `launch` runs them."""
