//! The router as its neighbours see it, over a real store. What the far ends do is in `world`.

mod control;
mod elsewhere;
mod failures;
mod heard;
mod load;
mod networks;
mod people;
mod reading;
mod ring;
mod rooms;
mod uploads;
mod world;
