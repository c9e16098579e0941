//! The puppets: one connection per person outside the network, opened when first needed, closed
//! after a time without use, brought back calmly when it was lost.
//!
//! A puppet hears what is said to it in private and what happens to itself; what is said in
//! channels is the bot's to hear, unless the puppet stands in for it there. [`Instance::puppet`] gives the connection to whoever needs it.

use crate::bot;
use crate::conn::{Conn, OpenError, Opening};
use crate::hear::{Ears, PrivateItem};
use crate::identity;
use crate::instance::{Instance, Running};
use crate::net::Urgency;
use crate::proto::Event;
use crate::proto::session::{CloseReason, Place};
use monster_bridge_api::{Author, Backoff, PersonaId, RemoteId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// How long somebody waits for a puppet that has to be connected first.
const PATIENCE: Duration = Duration::from_secs(20);
/// A wait for a turn that is longer than this is not begun: the bot speaks instead.
const LONG_QUEUE: Duration = Duration::from_secs(10);
/// A puppet that was used so recently does not give way to another one.
const JUST_USED: Duration = Duration::from_mins(1);
/// After so many attempts without a word from a server that has the bot, the bot speaks instead.
const LEFT_OUT: u32 = 3;
/// The longest nick to try where the server has not said.
const COMMON_NICK: usize = 16;
const EVENTS: usize = 512;

/// All puppets.
#[derive(Default)]
pub(crate) struct Puppets {
    table: Mutex<HashMap<PersonaId, Arc<Puppet>>>,
    /// Whose puppet has which nick (folded).
    nicks: Mutex<HashMap<RemoteId, PersonaId>>,
    ears: OnceLock<Mutex<Option<Ears>>>,
}

/// One puppet.
pub(crate) struct Puppet {
    status: watch::Sender<Status>,
    used: Mutex<Instant>,
    /// Somebody needs it now.
    wanted: Notify,
}

#[derive(Clone)]
enum Status {
    /// On its way.
    Opening,
    Up(Arc<Conn>),
    /// It did not work; another try follows.
    Down(NoPuppet),
    /// Its task has ended.
    Gone,
}

/// Why there is no puppet to speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPuppet {
    /// There are too many, or too many want to connect: the bot may speak instead.
    #[error("no further connection can be opened for you now")]
    Full,
    /// It was about to leave.
    #[error("your connection to IRC was just closed")]
    Leaving,
    /// The connection was lost or did not come about, which may be over in a moment: the bot does
    /// not speak instead yet.
    #[error("your connection to IRC was lost: {0}")]
    Lost(String),
    /// The network does not let it in, or is not there.
    #[error("your connection to IRC could not be opened: {0}")]
    Failed(String),
}

impl Puppets {
    /// Takes note of who hears what is said in private, for this run.
    pub(crate) fn set_ears(&self, ears: Option<Ears>) {
        *self.ears.get_or_init(Mutex::default).lock() = ears;
    }

    fn ears(&self) -> Option<Ears> {
        self.ears.get_or_init(Mutex::default).lock().clone()
    }

    /// Whose puppet has the nick now.
    pub(crate) fn owner_of(&self, nick: &RemoteId) -> Option<PersonaId> {
        self.nicks.lock().get(nick).cloned()
    }

    /// The connection of somebody's puppet, if it stands.
    pub(crate) fn conn_of(&self, persona: &PersonaId) -> Option<Arc<Conn>> {
        self.table.lock().get(persona).and_then(|puppet| puppet.conn())
    }

    /// All connections that stand.
    pub(crate) fn conns(&self) -> Vec<Arc<Conn>> {
        self.table.lock().values().filter_map(|puppet| puppet.conn()).collect()
    }

    /// How many puppets there are.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().len()
    }

    /// Forgets all, at the end of a run.
    pub(crate) fn clear(&self) {
        self.table.lock().clear();
        self.nicks.lock().clear();
    }

    /// The puppet of this persona has this nick now, and no other.
    fn note_nick(&self, persona: &PersonaId, nick: Option<RemoteId>) {
        let mut nicks = self.nicks.lock();
        nicks.retain(|_, owner| owner != persona);
        if let Some(nick) = nick {
            nicks.insert(nick, persona.clone());
        }
    }

    /// A place for one more; the longest unused one gives way, if it was not used just now.
    fn make_room(table: &mut HashMap<PersonaId, Arc<Puppet>>, most: usize) -> Result<(), NoPuppet> {
        if table.len() < most {
            return Ok(());
        }
        let longest = table.iter().max_by_key(|(_, puppet)| puppet.used.lock().elapsed());
        let Some((persona, puppet)) = longest.map(|(persona, puppet)| (persona.clone(), Arc::clone(puppet))) else {
            return Err(NoPuppet::Full);
        };
        if puppet.used.lock().elapsed() < JUST_USED {
            return Err(NoPuppet::Full);
        }
        if let Some(conn) = puppet.conn() {
            conn.say_goodbye("others need the connection");
        }
        puppet.status.send_replace(Status::Gone);
        table.remove(&persona);
        Ok(())
    }
}

impl Puppet {
    fn conn(&self) -> Option<Arc<Conn>> {
        match &*self.status.borrow() {
            Status::Up(conn) if conn.is_up() => Some(Arc::clone(conn)),
            _ => None,
        }
    }

    fn is_idle(&self, after: Option<Duration>) -> bool {
        after.is_some_and(|after| self.used.lock().elapsed() >= after)
    }
}

impl Instance {
    /// Somebody's puppet, connected: waits for it for a while.
    pub(crate) async fn puppet(
        self: &Arc<Self>,
        running: &Arc<Running>,
        author: &Author,
    ) -> Result<Arc<Conn>, NoPuppet> {
        let named = self.people.get(&author.id).map(|person| person.author.name);
        self.person(author).await;
        self.note_use(&author.id).await;
        if named.is_some_and(|named| named != author.name) {
            self.rename_puppet(author);
        }
        // One that is just leaving is followed by another one.
        match self.puppet_once(running, author).await {
            Err(NoPuppet::Leaving) => self.puppet_once(running, author).await,
            other => other,
        }
    }

    async fn puppet_once(self: &Arc<Self>, running: &Arc<Running>, author: &Author) -> Result<Arc<Conn>, NoPuppet> {
        let puppet = self.wake_puppet(running, &author.id, Urgency::Urgent)?;
        if let Some(conn) = puppet.conn() {
            return Ok(conn);
        }
        if self.network.pacer.delay() > LONG_QUEUE {
            return Err(NoPuppet::Full);
        }
        let mut status = puppet.status.subscribe();
        // What stands there now may be the outcome of the last try: this one's is what counts.
        puppet.wanted.notify_one();
        let settled = async {
            loop {
                let now = status.borrow_and_update().clone();
                match now {
                    Status::Up(conn) if conn.is_up() => {
                        *puppet.used.lock() = Instant::now();
                        return Ok(conn);
                    }
                    Status::Gone => return Err(NoPuppet::Leaving),
                    _ => {}
                }
                if status.changed().await.is_err() {
                    return Err(NoPuppet::Leaving);
                }
                if let Status::Down(why) = &*status.borrow() {
                    return Err(why.clone());
                }
            }
        };
        tokio::time::timeout(PATIENCE, settled)
            .await
            .unwrap_or_else(|_| Err(NoPuppet::Failed("the server took too long".to_owned())))
    }

    /// Somebody is called something else now: so is their puppet, unless they chose its nick.
    fn rename_puppet(&self, author: &Author) {
        let (Some(conn), Some(person)) = (self.puppets.conn_of(&author.id), self.people.get(&author.id)) else {
            return;
        };
        let longest = conn.look(|session| session.isupport().nick_len());
        let nick = RemoteId::new(person.wanted_nick(&self.config.puppets.nick_template, longest));
        let Ok(target) = self.names.target(&nick) else { return };
        if let Err(error) = conn.act(|session| session.change_nick(&target)) {
            tracing::debug!(instance = %self.scope.instance, %error, "a puppet could not be renamed");
        }
    }

    /// Takes the puppets out of a room that is no longer used.
    pub(crate) async fn puppets_leave(&self, room: &RemoteId) {
        let Ok(target) = self.names.target(room) else { return };
        for persona in self.people.in_room(room) {
            self.update_person(&persona, |person| person.rooms.remove(room)).await;
            let Some(conn) = self.puppets.conn_of(&persona) else { continue };
            if conn.look(|session| session.is_in(target.as_str()))
                && let Err(error) = conn.part(&target, "").await
            {
                tracing::debug!(%room, %error, "a puppet could not leave a channel");
            }
        }
    }

    /// Sees to it that somebody's puppet is there or on its way.
    fn wake_puppet(
        self: &Arc<Self>,
        running: &Arc<Running>,
        persona: &PersonaId,
        urgency: Urgency,
    ) -> Result<Arc<Puppet>, NoPuppet> {
        let mut table = self.puppets.table.lock();
        if let Some(puppet) = table.get(persona) {
            if urgency == Urgency::Urgent {
                *puppet.used.lock() = Instant::now();
            }
            return Ok(Arc::clone(puppet));
        }
        Puppets::make_room(&mut table, self.config.puppets.max_connections)?;
        let puppet = Arc::new(Puppet {
            status: watch::Sender::new(Status::Opening),
            used: Mutex::new(Instant::now()),
            wanted: Notify::new(),
        });
        table.insert(persona.clone(), Arc::clone(&puppet));
        let life = Life {
            instance: Arc::clone(self),
            running: Arc::clone(running),
            puppet: Arc::clone(&puppet),
            persona: persona.clone(),
        };
        running.spawn("puppet", life.run(urgency));
        Ok(puppet)
    }

    /// Brings back, calmly, the puppets that were in use when the last run ended.
    pub(crate) fn bring_back_puppets(self: &Arc<Self>, running: &Arc<Running>) {
        let idle = self.config.idle_close().map_or(u64::MAX, |idle| idle.as_secs());
        let mut people = self.people.used_since(crate::people::now().saturating_sub(idle).max(1));
        people.sort_by_key(|person| std::cmp::Reverse(person.used));
        for person in people.into_iter().take(self.config.puppets.max_connections) {
            if self.wake_puppet(running, &person.author.id, Urgency::Calm).is_err() {
                return;
            }
        }
    }
}

/// The life of one puppet, as its own task.
struct Life {
    instance: Arc<Instance>,
    running: Arc<Running>,
    puppet: Arc<Puppet>,
    persona: PersonaId,
}

/// What it means that a connection ended or was not opened, after so many attempts in a row that
/// came to nothing while the bot was in.
fn no_puppet(why: &OpenError, left_out: u32) -> NoPuppet {
    let lost = matches!(why, OpenError::Dial(_) | OpenError::Closed(CloseReason::Lost(_) | CloseReason::Dead));
    let build = if lost && left_out < LEFT_OUT { NoPuppet::Lost } else { NoPuppet::Failed };
    build(why.to_string())
}

impl Life {
    async fn run(self, mut urgency: Urgency) {
        let mut backoff = Backoff::new(self.instance.config.reconnect);
        let mut left_out = 0;
        loop {
            self.turn(urgency).await;
            let (events, mut told) = mpsc::channel(EVENTS);
            let bot = self.standing_bot();
            let why = match self.open(events).await {
                Ok(conn) => {
                    left_out = 0;
                    let since = Instant::now();
                    match self.stand(Arc::new(conn), told).await {
                        CloseReason::Quit => break,
                        reason => {
                            if since.elapsed() > Duration::from_mins(1) {
                                backoff.reset();
                            }
                            OpenError::Closed(reason)
                        }
                    }
                }
                Err(error) => {
                    self.instance.heed_policy(&mut told);
                    // While the whole server is away, that tells nothing about this puppet.
                    if bot.is_some() && bot == self.standing_bot() {
                        left_out += 1;
                    }
                    error
                }
            };
            let pause = self.instance.after_failure(&why, &mut backoff);
            tracing::info!(instance = %self.instance.scope.instance, %why, "a puppet is not connected");
            if matches!(&*self.puppet.status.borrow(), Status::Gone) {
                break;
            }
            self.puppet.status.send_replace(Status::Down(no_puppet(&why, left_out)));
            urgency = tokio::select! {
                () = tokio::time::sleep(pause) => Urgency::Calm,
                () = self.puppet.wanted.notified() => Urgency::Urgent,
            };
            if self.puppet.is_idle(self.instance.config.idle_close()) {
                break;
            }
        }
        let mut table = self.instance.puppets.table.lock();
        if table.get(&self.persona).is_some_and(|puppet| Arc::ptr_eq(puppet, &self.puppet)) {
            table.remove(&self.persona);
        }
        drop(table);
        self.puppet.status.send_replace(Status::Gone);
    }

    /// Which connection the bot has now.
    fn standing_bot(&self) -> Option<u64> {
        self.instance.bot.conn().map(|conn| conn.id())
    }

    /// Waits for its turn to connect; once somebody needs it, among those who are needed.
    async fn turn(&self, urgency: Urgency) {
        let pacer = &self.instance.network.pacer;
        if urgency == Urgency::Calm {
            tokio::select! {
                () = pacer.turn(Urgency::Calm) => return,
                () = self.puppet.wanted.notified() => {}
            }
        }
        pacer.turn(Urgency::Urgent).await;
    }

    async fn open(&self, events: mpsc::Sender<Event>) -> Result<Conn, OpenError> {
        let refused = |why: String| OpenError::Closed(CloseReason::Refused(why));
        let instance = &self.instance;
        let Some(person) = instance.people.get(&self.persona) else {
            return Err(refused("the person is not known".to_owned()));
        };
        let longest = instance.bot.conn().map_or(COMMON_NICK, |bot| bot.look(|session| session.isupport().nick_len()));
        let session =
            identity::puppet(&instance.config, &person, longest, instance.dialer.is_secure()).map_err(refused)?;
        let opening = Opening {
            dialer: &instance.dialer,
            ident: self.running.ident.as_deref(),
            session,
            flood: instance.config.flood,
            with_certificate: false,
            events,
        };
        let opened = tokio::time::timeout(identity::PATIENCE, Conn::open(opening)).await;
        opened.unwrap_or_else(|_| Err(refused("the server took too long".to_owned())))
    }

    /// While the connection stands. Returns why it ended.
    async fn stand(&self, conn: Arc<Conn>, mut told: mpsc::Receiver<Event>) -> CloseReason {
        let instance = Arc::clone(&self.instance);
        instance.network.pacer.welcomed();
        conn.look(|session| instance.names.learn(session));
        let nick = instance.names.fold(&conn.nick());
        let own = instance.network.enter(nick.as_str().to_owned());
        instance.puppets.note_nick(&self.persona, Some(nick));
        self.come_back(&conn).await;
        if matches!(&*self.puppet.status.borrow(), Status::Gone) {
            conn.say_goodbye("others need the connection");
        } else {
            *self.puppet.used.lock() = Instant::now();
            self.puppet.status.send_replace(Status::Up(Arc::clone(&conn)));
        }
        let mut idle = tokio::time::interval(bot::sweep(instance.config.idle_close()));
        loop {
            tokio::select! {
                event = told.recv() => match event {
                    Some(Event::NickChanged { to, own: true, .. }) => {
                        let nick = instance.names.fold(&to);
                        own.rename(nick.as_str().to_owned());
                        instance.puppets.note_nick(&self.persona, Some(nick));
                    }
                    Some(event) => self.hear(&conn, event).await,
                    None => break,
                },
                _ = idle.tick() => {
                    if self.puppet.is_idle(instance.config.idle_close()) {
                        conn.say_goodbye("not needed now");
                    }
                }
            }
        }
        instance.puppets.note_nick(&self.persona, None);
        conn.ended().await
    }

    /// Goes back into the channels, and reads what was said in private meanwhile.
    async fn come_back(&self, conn: &Arc<Conn>) {
        let rooms = self.instance.people.get(&self.persona).map(|person| person.rooms).unwrap_or_default();
        let (instance, returning, persona) = (Arc::clone(&self.instance), Arc::clone(conn), self.persona.clone());
        self.running.spawn("puppet rooms", async move {
            for room in rooms {
                if let Err(error) = instance.enter_room(&returning, &persona, &room).await {
                    tracing::info!(%room, %error, "a puppet could not come back to a channel");
                }
            }
        });
        let (Some(ears), true) = (self.instance.puppets.ears(), conn.look(crate::proto::Session::has_history)) else {
            return;
        };
        for peer in self.instance.conversations.peers_of(&self.persona) {
            ears.hear(PrivateItem::catch_up(self.persona.clone(), conn, peer)).await;
        }
    }

    async fn hear(&self, conn: &Arc<Conn>, event: Event) {
        self.instance.follow(conn, &event);
        let private = match &event {
            Event::Said(heard) => matches!(heard.by.place, Place::Private { .. }),
            Event::Reacted { by, .. } | Event::Redacted { by, .. } | Event::Typing { by, .. } => {
                matches!(by.place, Place::Private { .. })
            }
            Event::Left { channel, by: Some(by), reason } => {
                self.instance.kicked(&self.running, conn, &self.persona, channel, by, reason.as_deref());
                false
            }
            Event::Invited { by, channel } => {
                self.instance.invited(&self.running, conn, &self.persona, by, channel);
                false
            }
            _ => false,
        };
        if !private {
            bot::to_rooms(&self.instance, conn, &event, |room| room.is_heard_by(conn)).await;
        } else if let Some(ears) = self.instance.puppets.ears() {
            ears.hear(PrivateItem::heard(Some(self.persona.clone()), conn, event)).await;
        }
    }
}
