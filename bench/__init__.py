"""The benchmarks: what the product costs, against goals, peers and limits. `make bench` runs them."""
