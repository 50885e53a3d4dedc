"""One module for each kind of resource; a function for each method."""
