"""Publish the contract's models as JSON Schemas."""
