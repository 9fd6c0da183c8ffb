"""A world on one machine: a real Kafka, simulated Exchange servers, a workload and an independent comparison."""
