"""The numbers of the business, by the same names in the services and in the exporter."""
