"""A real Apache Kafka as a managed process, without Docker and without an installed Java."""
