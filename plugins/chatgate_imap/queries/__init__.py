"""Queries about messages: FETCH items, SEARCH keys, sorting, threads."""
