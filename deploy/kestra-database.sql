-- Run once, when the volume is empty: the second database of the same server.
CREATE DATABASE kestra;
