"""What a model does with its parameters, told from a recording of one run. Names no framework: an edge records."""
