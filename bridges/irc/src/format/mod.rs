//! Between mIRC formatting codes and the neutral [`monster_bridge_api::Text`]. Called by the half
//! of the crate that implements the bridge contract; knows no connection and no member list (it is
//! handed a function for names).

pub mod codes;
mod palette;
mod read;
mod write;

pub use read::to_text;
pub use write::from_text;

#[cfg(test)]
mod tests;
