"""What Kestra's own Git plugin asks of a server for the same work, replayed call by call."""
