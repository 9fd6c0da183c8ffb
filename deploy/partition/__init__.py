"""Owning a partition: acquire, restore, transact, read orders, keep a local cache."""
