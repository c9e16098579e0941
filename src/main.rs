//! Wires the rooms of the gateway together; everything that does something lives in the library.
fn main() {}
