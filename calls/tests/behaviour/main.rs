//! What a call does, seen from outside.

mod scene;
mod sequences;
mod setup;
mod talk;
