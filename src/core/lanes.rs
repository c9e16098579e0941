//! The lanes: one task for each that has work, none for one that waits. A lane hands its deliveries
//! over in order: one at a time, each recorded before the next; or, where the same again does no harm,
//! some ahead of the answers (`ahead`), and recorded soon (`records`). What fails for now parks the lane
//! until its time comes or its destination can be reached again.
//!
//! The commit hook and `core` call this; what a delivery is, only [`Deliverer`] knows. What a lane's
//! task does is in `lane`, how its line stays complete and in order in `line`.

use super::environment::Environment;
use super::line::{IN_MEMORY, Line, Numbered};
use super::memory::{Held, Memory};
use super::parcel::Parcel;
use super::records::Records;
use super::settings::Settings;
use crate::store::{Committed, Incoming, Lane, Store};
use async_trait::async_trait;
use monster_bridge_api::{DeliveryError, Found};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many lanes the journal is asked for at a time.
const PAGE_OF_LANES: usize = 256;
/// The most deliveries that one lane holds in memory while there are not many altogether, so that a
/// lane that falls behind for a moment need not read from the journal what was just written to it.
const ROOMY: usize = 512;
/// How often it is looked whether a delivery has been recorded.
const RECORDED_STEP: Duration = Duration::from_millis(5);
/// How often the journal is searched for deliveries that nobody announced.
const SWEEP: Duration = Duration::from_mins(5);
/// The pause when the store itself fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Hands one delivery over.
#[async_trait]
pub(crate) trait Deliverer: Send + Sync + 'static {
    /// Hands it over, and gives the ids that the other side gave it.
    async fn deliver(&self, lane: &Lane, parcel: &Parcel) -> Result<Vec<String>, DeliveryError>;

    /// Finds out whether it was handed over before.
    async fn find(&self, lane: &Lane, parcel: &Parcel) -> Result<Found, DeliveryError>;

    /// True if the same delivery again has no second effect: such a lane need not wait until one
    /// is recorded before it hands over the next, and never has to find out.
    fn is_idempotent(&self, lane: &Lane) -> bool;

    /// True if the lane's next delivery may be begun before the one before it is answered: where they
    /// arrive in the order in which they are begun, and there is room for more. Only asked of an
    /// idempotent lane.
    fn goes_ahead(&self, lane: &Lane) -> bool;

    /// What the sender is told when it cannot be handed over, if anything.
    fn notice(&self, lane: &Lane, parcel: &Parcel, why: &str) -> Option<Incoming>;
}

/// One delivery in memory.
pub(super) struct Item {
    pub(super) delivery: i64,
    pub(super) attempts: u32,
    pub(super) not_before: i64,
    pub(super) created: i64,
    pub(super) parcel: Arc<Parcel>,
    pub(super) _held: Held,
}

impl Numbered for Item {
    fn number(&self) -> i64 {
        self.delivery
    }
}

/// One lane in memory.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Entry {
    lane: Arc<Lane>,
    pub(super) line: Line<Item>,
    pub(super) status: Status,
    /// The destination became reachable since the try that is running began.
    pub(super) woken: bool,
    /// Whether the first delivery was done is not known.
    pub(super) uncertain: bool,
    /// The lane was found at the start of the process: its first delivery may have been done by the
    /// one before.
    pub(super) restarted: bool,
    /// The same: the time that was noted for the next try still counts.
    pub(super) honour: bool,
    /// How many of its deliveries were recorded since it began to work.
    pub(super) recorded: u64,
    /// How many are done and not recorded yet.
    pub(super) unrecorded: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Working,
    Parked(Instant),
    /// Nothing waits; what was done is being recorded.
    Resting,
}

/// What a lane's task does next.
pub(super) enum Step {
    Try { item: Item, find: bool },
    Read { after: i64 },
    Wait { until: Instant, head: i64 },
    End,
}

pub(super) struct State {
    pub(super) lanes: HashMap<i64, Entry>,
    /// By destination, then by who tells it or where.
    by_destination: HashMap<String, HashMap<String, i64>>,
    pub(super) parked: BTreeSet<(Instant, i64)>,
    /// While the journal is read at the start: destinations that became reachable meanwhile. A lane
    /// that is not in memory may then still have something in the journal.
    starting: Option<HashSet<String>>,
    pub(super) working: usize,
    pub(super) stopped: bool,
}

impl State {
    /// A working lane has nothing more to do: it ends, once all it did is recorded.
    pub(super) fn retire(&mut self, id: i64) -> Step {
        if let Some(entry) = self.lanes.get_mut(&id) {
            self.working -= 1;
            if entry.unrecorded == 0 {
                self.remove(id);
            } else {
                entry.status = Status::Resting;
            }
        }
        Step::End
    }

    /// A lane leaves memory.
    pub(super) fn remove(&mut self, id: i64) {
        let Some(entry) = self.lanes.remove(&id) else { return };
        if let Some(ids) = self.by_destination.get_mut(&entry.lane.to) {
            ids.remove(&entry.lane.via);
            if ids.is_empty() {
                self.by_destination.remove(&entry.lane.to);
            }
        }
    }
}

/// All lanes.
pub(crate) struct Lanes {
    pub(super) environment: Environment,
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn Store>,
    pub(super) deliverer: Arc<dyn Deliverer>,
    pub(super) state: Mutex<State>,
    pub(super) records: Records,
    pub(super) memory: Memory,
    /// Told when the first parked lane is another one.
    pub(super) alarm: Notify,
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Deliveries journalled up to then may have been handed over by the process before this one.
    pub(super) started: i64,
}

impl Lanes {
    /// Lanes without work. To be made within a runtime.
    pub(crate) fn new(
        environment: Environment,
        settings: Settings,
        store: Arc<dyn Store>,
        deliverer: Arc<dyn Deliverer>,
    ) -> Arc<Self> {
        let state = State {
            lanes: HashMap::new(),
            by_destination: HashMap::new(),
            parked: BTreeSet::new(),
            starting: Some(HashSet::new()),
            working: 0,
            stopped: false,
        };
        let started = environment.now_ms();
        Arc::new(Self {
            environment,
            settings,
            store,
            deliverer,
            state: Mutex::new(state),
            records: Records::default(),
            memory: Memory::default(),
            alarm: Notify::new(),
            runtime: tokio::runtime::Handle::current(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            started,
        })
    }

    /// Takes what was committed; the store's hook. Does not block.
    pub(crate) fn offer(self: &Arc<Self>, committed: &[Committed]) {
        let now = self.environment.now_ms();
        let mut parcel: Option<Arc<Parcel>> = None;
        let mut to_start = Vec::new();
        let most = self.line_at_most();
        let mut state = self.state.lock();
        let state = &mut *state;
        for one in committed {
            let parcel = match &parcel {
                Some(known) if known.id == one.message_id => Arc::clone(known),
                _ => Arc::clone(parcel.insert(Parcel::new(one.message_id, now, Arc::clone(&one.message)))),
            };
            let held = self.memory.hold(&one.message);
            let item = Item { delivery: one.delivery, attempts: 0, not_before: 0, created: now, parcel, _held: held };
            if let Some(entry) = state.lanes.get_mut(&one.lane_id) {
                entry.line.offer(item, most);
                if entry.status == Status::Resting && !state.stopped {
                    entry.status = Status::Working;
                    state.working += 1;
                    to_start.push((one.lane_id, Arc::clone(&entry.lane)));
                }
            } else if !state.stopped {
                let line = if state.starting.is_some() { Line::from_journal() } else { Line::starting_with(item) };
                to_start.push(self.insert(state, one.lane_id, one.lane.clone(), line));
            }
        }
        self.start_all(to_start);
    }

    /// Puts a lane in and gives what has to be started.
    fn insert(&self, state: &mut State, id: i64, lane: Lane, waiting: Line<Item>) -> (i64, Arc<Lane>) {
        let starting = state.starting.is_some();
        let woken = state.starting.as_ref().is_some_and(|early| early.contains(&lane.to));
        let restarted = starting && !self.deliverer.is_idempotent(&lane);
        state.by_destination.entry(lane.to.clone()).or_default().insert(lane.via.clone(), id);
        let lane = Arc::new(lane);
        let entry = Entry {
            lane: Arc::clone(&lane),
            line: waiting,
            status: Status::Working,
            woken,
            uncertain: false,
            restarted,
            honour: starting && !woken,
            recorded: 0,
            unrecorded: 0,
        };
        state.lanes.insert(id, entry);
        state.working += 1;
        (id, lane)
    }

    fn start_all(self: &Arc<Self>, lanes: Vec<(i64, Arc<Lane>)>) {
        for (id, lane) in lanes {
            let all = Arc::clone(self);
            self.spawn(async move { all.work(id, &lane).await });
        }
    }

    /// Runs something that [`Self::stop`] waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// How many deliveries one lane may hold in memory now.
    pub(super) fn line_at_most(&self) -> usize {
        if self.memory.is_tight() { IN_MEMORY } else { ROOMY }
    }

    /// Runs the lanes' clock and reads what waits in the journal, page by page, until stopped.
    pub(crate) fn start(self: &Arc<Self>) {
        let lanes = Arc::clone(self);
        self.spawn(async move { lanes.keep_time().await });
        let lanes = Arc::clone(self);
        let sweeps = async move {
            lanes.sweep().await;
            lanes.state.lock().starting = None;
            while lanes.stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
                lanes.sweep().await;
            }
        };
        self.spawn(sweeps);
    }

    /// Starts every lane of the journal that is not in memory.
    async fn sweep(self: &Arc<Self>) {
        let mut after = 0;
        loop {
            let page = loop {
                match self.store.lanes(after, PAGE_OF_LANES).await {
                    Ok(page) => break page,
                    Err(error) => tracing::error!(%error, "the waiting lanes cannot be read; trying again"),
                }
                if !self.pause(STORE_PAUSE).await {
                    return;
                }
            };
            let Some((last, _)) = page.last() else { return };
            after = *last;
            self.take_in(page);
            while self.state.lock().working > self.settings.lanes_at_start {
                if !self.pause(Duration::from_millis(5)).await {
                    return;
                }
            }
        }
    }

    fn take_in(self: &Arc<Self>, page: Vec<(i64, Lane)>) {
        let mut state = self.state.lock();
        let mut to_start = Vec::new();
        for (id, lane) in page {
            if !state.stopped && !state.lanes.contains_key(&id) {
                to_start.push(self.insert(&mut state, id, lane, Line::from_journal()));
            }
        }
        drop(state);
        self.start_all(to_start);
    }

    /// False if stopped meanwhile.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }

    /// Starts parked lanes when their time has come.
    async fn keep_time(self: &Arc<Self>) {
        loop {
            let first = self.state.lock().parked.first().map(|(due, _)| *due);
            let due = async {
                match first {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.alarm.notified() => continue,
                () = due => {}
            }
            let now = Instant::now();
            let mut to_start = Vec::new();
            let mut state = self.state.lock();
            while let Some((due, id)) = state.parked.first().copied()
                && due <= now
            {
                to_start.extend(Self::unpark(&mut state, id));
            }
            drop(state);
            self.start_all(to_start);
        }
    }

    /// Sets a parked lane to work, or has a working one try again at once; gives what has to be
    /// started.
    fn unpark(state: &mut State, id: i64) -> Option<(i64, Arc<Lane>)> {
        let entry = state.lanes.get_mut(&id)?;
        match entry.status {
            Status::Working => {
                entry.woken = true;
                None
            }
            Status::Parked(due) => {
                state.parked.remove(&(due, id));
                entry.status = Status::Working;
                entry.honour = false;
                state.working += 1;
                Some((id, Arc::clone(&entry.lane)))
            }
            Status::Resting => None,
        }
    }

    /// Everything that waits for this destination (an account, a bridge instance) is tried now.
    pub(crate) fn wake(self: &Arc<Self>, destination: &str) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        if let Some(early) = &mut state.starting {
            early.insert(destination.to_owned());
        }
        let ids: Vec<i64> =
            state.by_destination.get(destination).into_iter().flat_map(HashMap::values).copied().collect();
        let to_start: Vec<_> = ids.into_iter().filter_map(|id| Self::unpark(&mut state, id)).collect();
        drop(state);
        self.start_all(to_start);
    }

    /// A lane's first delivery is tried now.
    pub(crate) fn nudge(self: &Arc<Self>, id: i64, lane: Lane) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        let to_start = if state.lanes.contains_key(&id) {
            Self::unpark(&mut state, id)
        } else {
            Some(self.insert(&mut state, id, lane, Line::from_journal()))
        };
        drop(state);
        self.start_all(to_start.into_iter().collect());
    }

    /// A waiting delivery was dropped; what stands behind it goes on.
    pub(crate) fn forget(self: &Arc<Self>, id: i64, lane: Lane, delivery: i64) {
        if let Some(entry) = self.state.lock().lanes.get_mut(&id) {
            entry.line.remove(delivery);
        }
        self.nudge(id, lane);
    }

    /// Waits until the delivery is recorded that is under way to this place of a bridge now, if there
    /// is one; so long at most.
    pub(crate) async fn recorded(&self, instance: &str, place: &str, at_most: Duration) {
        let count = || {
            let state = self.state.lock();
            let id = state.by_destination.get(instance)?.get(place)?;
            let entry = state.lanes.get(id).filter(|entry| entry.status == Status::Working)?;
            Some((*id, entry.recorded))
        };
        let Some(before) = count() else { return };
        let until = Instant::now() + at_most;
        while count() == Some(before) && Instant::now() < until {
            tokio::time::sleep(RECORDED_STEP).await;
        }
    }

    /// How many lanes are at work, and how many wait for their time.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.working, state.parked.len())
    }

    /// Starts nothing more, and waits until what is in flight is recorded, `grace` at most.
    pub(crate) async fn stop(&self, grace: Duration) {
        self.state.lock().stopped = true;
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(lanes = self.count().0, "deliveries still in flight are left to the journal");
        }
    }
}
