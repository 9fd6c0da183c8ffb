"""Everything that touches the outside: settings, connections, processes, the command line, the lab."""
