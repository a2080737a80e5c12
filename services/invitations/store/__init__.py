"""What invitations keeps in Postgres, in the schema that it shares with the pipeline's own tables."""
