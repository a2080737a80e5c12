"""The API for operators: routes that need the scope `cohost:ops`."""
