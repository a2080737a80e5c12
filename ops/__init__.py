"""Operations as code: what watches a deployment from outside."""
