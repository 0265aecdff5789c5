"""Hosting plugins: their files in conf.d/, their classes, their hooks, and the hub that asks them."""
