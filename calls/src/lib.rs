//! The state machine of a call: two legs, inputs in, actions out, time passed in. No I/O, no clock,
//! no task; session descriptions are opaque. `src/calls` drives it: it tells a [`Call`] what
//! happened and does what the call says. `docs/decisions/0010-calls.md` has the whole picture.
//!
//! # States
//!
//! A leg is *inviting*, *ringing*, *answered*, *connected*, *held* or *ended* ([`LegState`]).
//!
//! | leg is | what | leg becomes | the other side |
//! | --- | --- | --- | --- |
//! | inviting | the caller offers | inviting | is offered what the caller has, on every device |
//! | inviting | a device of the callee rings | ringing, both | the caller hears it ring |
//! | inviting, ringing | a device of the callee answers | answered, both | the caller is answered; the callee's other devices stop |
//! | inviting, ringing | a device of the callee declines or is busy | ended | the same for the caller; the callee's other devices stop |
//! | inviting, ringing | the caller ends, or vanishes | ended | cancelled, on every device |
//! | inviting, ringing | [`Options::no_answer`] is over; or, once the callee was sent a link, [`Options::by_link`] | ended, both | |
//! | answered | ICE and DTLS are through | connected | |
//! | connected | its offer says that it receives nothing | held | is offered the same |
//! | held | its offer says that it receives | connected | is offered the same |
//! | connected, held | the relay has lost it | answered | (it is offered a restart of ICE) |
//! | answered … held | it hangs up | ended | hung up |
//! | answered … held | it is not connected, not heard, or not reachable for too long | ended | the same reason |
//!
//! # Rules
//!
//! - A refusal by one device is the person's: it ends the call for all of them. A network where it is
//!   not keeps it to itself until the last device has refused.
//! - A leg's candidates wait until the leg has both descriptions; none of its media begins before
//!   somebody has answered. 64 of them are taken for each description.
//! - An offer within the call is passed on and answered when the other leg has answered; one that only
//!   restarts ICE is answered at once; one that the other leg does not answer in [`Options::update`]
//!   is answered with what there is.
//! - Of two offers that cross, the caller's beats ours and ours beats the callee's. What had to give
//!   way on the caller's leg is offered again.
//! - A leg is expected to be heard unless it is not to send, has muted what it sends, or either leg is
//!   on hold. What is not heard for [`Options::first_media`] after the answer, or later for
//!   [`Options::silence`], ends the call for both.
//! - A caller that cannot be reached any more ends a call that rings; a ringing device that cannot does
//!   not. In an answered call a device may come back, on whatever connection; and any device of the
//!   same person takes the leg over by an offer.
//! - Two calls that cross are two calls: [`glare`] says which goes on.
//! - What is refused changes nothing, and whoever did it is told why ([`Action::Refuse`]).

mod action;
mod call;
mod crossing;
mod ending;
mod input;
mod leg;
mod options;
mod record;
mod setup;
mod side;
mod talk;
mod watch;

pub use action::{Action, Blank};
pub use call::Call;
pub use crossing::{Glare, glare};
pub use input::{Described, Input, MediaEvent, Request};
pub use leg::{Leg, LegState};
pub use monster_bridge_api::Devices;
pub use options::Options;
pub use record::{Outcome, Record};
