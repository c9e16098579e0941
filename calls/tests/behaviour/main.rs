//! What a call does, seen from outside.

mod scene;
mod setup;
mod talk;
