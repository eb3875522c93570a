"""From requests to answers, one module for each kind of object; `routes` is the list of all."""
