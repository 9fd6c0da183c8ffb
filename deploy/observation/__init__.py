"""Who is protected: judged from the state topics, told to people (`status`) and to Prometheus (`monitor`)."""
