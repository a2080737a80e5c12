"""Background work: expire overdue invitations, exclude ineligible users."""
