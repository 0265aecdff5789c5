"""chatgate_iroh: tells apps which iroh relay realtime web apps use."""
