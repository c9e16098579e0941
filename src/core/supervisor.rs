//! Runs the bridges.
