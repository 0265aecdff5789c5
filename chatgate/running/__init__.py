"""One process that serves: the gateway, what runs in it, its folder, its log, its supervisor."""
