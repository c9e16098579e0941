//! The rooms of the gateway; `main` only wires them. `docs/architecture.md` has the picture.

pub mod app;
pub mod calls;
pub mod cli;
pub mod config;
pub mod core;
pub mod http;
pub mod monster;
pub mod outbound;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod turn;
