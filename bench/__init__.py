"""What does TenantSync cost beside the bare calls that its work needs? See `python -m bench -h`."""
