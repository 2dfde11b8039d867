"""A small server that answers like Kestra, with faults to order, and a sample tenant."""

from __future__ import annotations
