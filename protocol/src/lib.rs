//! The Monster protocol: addresses, frames and call contexts, without I/O
