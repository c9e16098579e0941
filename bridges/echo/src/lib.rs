//! The echo test, and the smallest complete bridge
