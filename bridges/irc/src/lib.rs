//! The bridge to IRC networks
