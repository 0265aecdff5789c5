"""What is asked about messages: FETCH items, SEARCH keys, sorting, threads."""
