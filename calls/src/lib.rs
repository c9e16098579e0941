//! The state machine of a call: two legs, inputs in, actions out, time passed in. No I/O, no clock,
//! no task; session descriptions are opaque. `src/calls` drives it: it tells a [`Call`] what
//! happened and does what the call says. `docs/decisions/0010-calls.md` has the whole picture.

mod action;
mod call;
mod ending;
mod glare;
mod input;
mod leg;
mod options;
mod record;
mod setup;
mod side;
mod talk;
mod watch;

pub use action::{Action, Blank, Devices};
pub use call::Call;
pub use glare::{Glare, glare};
pub use input::{Described, Input, MediaEvent, Request};
pub use leg::{Leg, LegState};
pub use options::Options;
pub use record::{Outcome, Record};
