//! Links to calls: for somebody whose network has no calls, and for a caller who has no WebRTC. How
//! a link is announced, how often, and what stands behind it. Called by `driver` and `desk`;
//! tokens and guests are `guests`'.

use super::Calls;
use super::desk::Begin;
use super::driver::Driver;
use super::guests::{GuestOut, Invitation, Role, Welcome, hung_up};
use super::registry::{Handle, Told};
use crate::core::{CallRefusal, Core, Line, Party, Reach};
use async_trait::async_trait;
use monster_bridge_api::{CallMedia, CallStep, DeviceId};
use monster_calls::{Input, Leg};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// How long it takes until the next link may be said in the same room.
const ROOM_PAUSE: Duration = Duration::from_secs(30);
/// The same from one person to another.
const PERSON_PAUSE: Duration = Duration::from_secs(10);
/// What the key of the line with the link to a call ends with, after the call's id.
const LINE: &str = "-link";
/// The same of the line with a caller's own link.
const CALLERS_LINE: &str = "-begin";
/// The most pauses that are remembered.
const PAUSES: usize = 10_000;

/// When links were said last, by who heard them (and who called, in private).
#[derive(Default)]
pub(super) struct Pauses(Mutex<HashMap<String, Instant>>);

impl Pauses {
    /// Notes that a link is said there now.
    ///
    /// # Errors
    /// If that is too soon: how long to wait.
    fn take(&self, key: String, pause: Duration) -> Result<(), Duration> {
        let (now, mut pauses) = (Instant::now(), self.0.lock());
        if pauses.len() >= PAUSES {
            pauses.retain(|_, until| *until > now);
        }
        match pauses.get(&key) {
            Some(until) if *until > now => Err(*until - now),
            _ => {
                pauses.insert(key, now + pause);
                Ok(())
            }
        }
    }
}

/// Sends the callee of a call the link to it, or says it in the room that is called.
///
/// # Errors
/// In words for the caller, if that cannot be.
pub(super) async fn announce(driver: &mut Driver) -> Result<(), String> {
    let Driver { calls, handle, caller, callee, media, .. } = &*driver;
    let room = matches!(callee.reach, Reach::Link { room: true });
    let (key, pause) = if room {
        (callee.address.to_string(), ROOM_PAUSE)
    } else {
        (format!("{} {}", caller.address, callee.address), PERSON_PAUSE)
    };
    calls
        .pauses
        .take(key, pause)
        .map_err(|left| format!("{} was called a moment ago; wait {} s", callee.name, left.as_secs().max(1)))?;
    let invitation =
        Invitation { call_id: handle.id.clone(), name: caller.name.clone(), media: *media, role: Role::Callee };
    let welcome = Arc::new(CalleeWelcome(Arc::clone(handle)));
    let (link, over) = calls
        .guests
        .invite(invitation, calls.settings.link, welcome)
        .ok_or("too many links to calls are waiting for somebody; try again later")?;
    let (name, with) = (Core::shown_name(&caller.name), media_word(*media));
    let line = if room {
        format!("{name} is calling ({with}): {link}")
    } else {
        format!("{name} is calling you ({with}): {link}")
    };
    let key = format!("{}{LINE}", handle.id);
    let posted = calls.core.post_line(caller, &callee.address, &key, Line::Said(line)).await;
    posted.map_err(|error| format!("{} could not be sent a link: {error}", callee.name))?;
    driver.link = Some(over);
    Ok(())
}

/// The id of the call whose link the line of this key says.
pub(super) fn call_of_line(key: &str) -> Option<&str> {
    key.strip_suffix(LINE)
}

/// Sends a caller without WebRTC a link to a page that calls for them.
pub(super) async fn for_caller(
    calls: &Arc<Calls>,
    from: Party,
    to: Party,
    media: CallMedia,
) -> Result<(), CallRefusal> {
    let unavailable = |why: String| CallRefusal::Unavailable(why);
    calls.pauses.take(format!("{} {} as caller", from.address, to.address), PERSON_PAUSE).map_err(|left| {
        unavailable(format!("you have got a link a moment ago; wait {} s for another", left.as_secs().max(1)))
    })?;
    let id = calls.core.new_call_key();
    let invitation = Invitation { call_id: id.clone(), name: to.name.clone(), media, role: Role::Caller };
    let (caller, callee) = (from.clone(), to.clone());
    let begun = Mutex::default();
    let welcome = CallerWelcome { calls: Arc::downgrade(calls), id: id.clone(), caller, callee, media, begun };
    let (link, _) = calls
        .guests
        .invite(invitation, calls.settings.link, Arc::new(welcome))
        .ok_or_else(|| unavailable("too many links to calls are waiting for somebody; try again later".to_owned()))?;
    let line = format!("To call {} ({}), open {link}", Core::shown_name(&to.name), media_word(media));
    // The call is not there yet: it begins when the page is opened.
    let key = format!("{id}{CALLERS_LINE}");
    let posted = calls.core.post_line(&to, &from.address, &key, Line::Notice(line)).await;
    posted.map_err(|error| unavailable(error.to_string()))
}

/// What a call is with, in a line.
pub(super) fn media_word(media: CallMedia) -> &'static str {
    match media {
        CallMedia::Voice => "voice",
        CallMedia::Video => "video",
    }
}

/// Behind the link to a call: its callee's leg.
struct CalleeWelcome(Arc<Handle>);

#[async_trait]
impl Welcome for CalleeWelcome {
    fn arrive(&self, device: &DeviceId, name: String, out: GuestOut) -> bool {
        self.0.tell(Told::Guest { device: device.clone(), name, out })
    }

    async fn heard(&self, device: &DeviceId, steps: Vec<CallStep>) -> Result<(), String> {
        let taken = self.0.steps(Leg::Callee, Some(device.clone()), steps).await;
        taken.unwrap_or_else(|| Err("the call is over".to_owned()))
    }

    fn left(&self, device: &DeviceId) {
        leave(&self.0, Leg::Callee, device);
    }
}

/// Behind the link of a caller: a call that begins with the guest's offer.
struct CallerWelcome {
    calls: Weak<Calls>,
    id: String,
    caller: Party,
    callee: Party,
    media: CallMedia,
    begun: Mutex<Begun>,
}

#[derive(Default)]
struct Begun {
    out: Option<GuestOut>,
    call: Option<Arc<Handle>>,
}

#[async_trait]
impl Welcome for CallerWelcome {
    fn arrive(&self, _: &DeviceId, _: String, out: GuestOut) -> bool {
        self.begun.lock().out = Some(out);
        self.calls.strong_count() > 0
    }

    async fn heard(&self, device: &DeviceId, steps: Vec<CallStep>) -> Result<(), String> {
        let over = || "the call is over".to_owned();
        let call = self.begun.lock().call.clone();
        if let Some(call) = call {
            return call.steps(Leg::Caller, Some(device.clone()), steps).await.unwrap_or_else(|| Err(over()));
        }
        // Kept until the call has begun: an offer that is refused may be followed by a better one.
        let guest = self.begun.lock().out.clone();
        let begin = Begin {
            from: self.caller.clone(),
            to: self.callee.clone(),
            device: Some(device.clone()),
            media: self.media,
            wire: self.id.clone(),
            offer: self.id.clone(),
            guest,
            steps,
        };
        let calls = self.calls.upgrade().ok_or_else(over)?;
        let call = calls.begin(begin).await.map_err(|refusal| refusal.to_string())?;
        *self.begun.lock() = Begun { out: None, call: Some(call) };
        Ok(())
    }

    fn left(&self, device: &DeviceId) {
        if let Some(call) = self.begun.lock().call.take() {
            leave(&call, Leg::Caller, device);
        }
    }
}

/// A guest who leaves hangs up.
fn leave(call: &Arc<Handle>, leg: Leg, device: &DeviceId) {
    for step in hung_up() {
        call.tell(Told::Input(Input::Step { leg, device: Some(device.clone()), step }));
    }
}
