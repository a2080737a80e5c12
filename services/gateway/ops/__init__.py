"""What operators ask and do: routes that need the scope `cohost:ops`."""
