"""What the pipeline does in a second and what that costs, measured beside a plain handler."""
