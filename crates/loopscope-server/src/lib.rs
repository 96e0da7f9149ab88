//! Serves the health endpoints from snapshots
