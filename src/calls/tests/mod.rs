//! The room of calls in one process: a real router, store and relay, a Monster side that notes what
//! is pushed, and a network that carries calls.

mod guests;
mod networks;
mod world;
