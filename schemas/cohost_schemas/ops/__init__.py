"""HTTP bodies of what operators ask (scope `cohost:ops`)."""
