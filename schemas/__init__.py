"""The contract between feed and replay: records, identity, topics, faults, metrics. No I/O."""
