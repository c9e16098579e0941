//! The transports of one leg, as one session. Mostly there is one, and all sections share it (BUNDLE,
//! RFC 9143). Who does not bundle has one for each further section: an engine of its own, with ICE and
//! DTLS of its own, behind the same port.
//!
//! `negotiate` makes them, `call` feeds them and takes out of them; which one a packet or a section
//! belongs to nobody else has to know.

use crate::engine::{
    Broken, Change, Datagram, Extensions, Mid, Output, Packet, Peer, Rejected, Remote, SharedKeys, Ssrc,
};
use std::time::Instant;

/// The transports of a leg.
pub(crate) struct Transports {
    /// That of the first section, and of all that are bundled with it.
    main: Peer,
    apart: Vec<Apart>,
}

/// The transport of one section.
struct Apart {
    mid: Mid,
    peer: Peer,
}

/// Where packets of a section are sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    /// The place of its transport.
    transport: usize,
    ssrc: Ssrc,
}

/// What the engines said to changes that are to be offered.
pub(crate) struct Offered {
    /// The description of the main transport.
    pub(crate) main: String,
    /// Those of the others, each of one section.
    pub(crate) apart: Vec<String>,
    /// The new sections in order.
    pub(crate) added: Vec<Mid>,
}

impl Sender {
    /// Its SSRC, if it is one of the main transport.
    pub(crate) fn of_main(&self) -> Option<u32> {
        (self.transport == 0).then_some(*self.ssrc)
    }
}

impl Transports {
    pub(crate) fn new(main: Peer) -> Transports {
        Transports { main, apart: Vec::new() }
    }

    // -- descriptions ---------------------------------------------------------------------------

    /// The transport that bundled sections share.
    pub(crate) fn main(&mut self) -> &mut Peer {
        &mut self.main
    }

    /// The transport that a section has for itself.
    pub(crate) fn apart(&mut self, mid: &str) -> Option<&mut Peer> {
        let mid = Mid::from(mid);
        self.apart.iter_mut().find(|apart| apart.mid == mid).map(|apart| &mut apart.peer)
    }

    pub(crate) fn is_apart(&self, mid: &str) -> bool {
        let mid = Mid::from(mid);
        self.apart.iter().any(|apart| apart.mid == mid)
    }

    /// From now on a section has this one.
    pub(crate) fn part(&mut self, mid: &str, peer: Peer) {
        self.apart.push(Apart { mid: mid.into(), peer });
    }

    /// Makes an offer of changes; one that has not been answered is forgotten.
    pub(crate) fn offer(&mut self, changes: &[Change]) -> Result<Offered, Rejected> {
        let concerns = |change: &Change, mid: Option<Mid>, apart: &[Mid]| match change {
            Change::Restart => true,
            Change::Add(..) => mid.is_none(),
            Change::Turn(of, _) => mid.map_or(!apart.contains(of), |mid| mid == *of),
        };
        let mids: Vec<Mid> = self.apart.iter().map(|apart| apart.mid).collect();
        let of = |mid: Option<Mid>| -> Vec<Change> {
            changes.iter().filter(|change| concerns(change, mid, &mids)).cloned().collect()
        };
        let (main, added) = self.main.offer(&of(None))?;
        let apart: Result<Vec<String>, Rejected> =
            self.apart.iter_mut().map(|apart| Ok(apart.peer.offer(&of(Some(apart.mid)))?.0)).collect();
        Ok(Offered { main, apart: apart?, added })
    }

    /// Forgets an offer that has not been answered.
    pub(crate) fn withdraw(&mut self) {
        self.all().for_each(Peer::withdraw);
    }

    /// The ICE user names that far sides address this leg by.
    pub(crate) fn names(&mut self) -> Vec<String> {
        self.all().map(Peer::ufrag).collect()
    }

    /// An address of the far side's, of a section where that is known.
    pub(crate) fn add_remote(&mut self, mid: Option<&str>, remote: Remote) {
        match mid.map(Mid::from) {
            // It is for one of them, and the checks show which.
            None => self.all().for_each(|peer| peer.add_remote(remote.clone())),
            Some(mid) => self.of(mid).add_remote(remote),
        }
    }

    /// Asks for more of the path than sound needs, once there is video.
    pub(crate) fn expect_video(&mut self) {
        self.all().filter(|peer| peer.has_video()).for_each(Peer::expect_video);
    }

    // -- packets ----------------------------------------------------------------------------------

    /// The payload types of a section that were agreed upon, each with what it is.
    pub(crate) fn numbers(&mut self, mid: Mid) -> Vec<(u8, crate::format::Key)> {
        self.of(mid).numbers(mid)
    }

    /// Gives a datagram back if it is for this leg.
    pub(crate) fn accepts<'a>(&self, now: Instant, datagram: Datagram<'a>) -> Option<Datagram<'a>> {
        let mut left = Some(datagram);
        for peer in self.peers() {
            let (accepted, datagram) = peer.accepts(now, left.take()?);
            if accepted {
                return datagram;
            }
            left = datagram;
        }
        None
    }

    /// A datagram of the far side's that `accepts` has said yes to, or that is known by its address.
    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Broken> {
        if self.apart.is_empty() {
            return self.main.receive(now, datagram);
        }
        let mut left = Some(datagram);
        for peer in self.all() {
            let Some(datagram) = left.take() else { break };
            let (accepted, datagram) = peer.accepts(now, datagram);
            match datagram {
                Some(datagram) if accepted => return peer.receive(now, datagram),
                datagram => left = datagram,
            }
        }
        Ok(())
    }

    /// The keys of the transport that all sections share; none where there are several.
    pub(crate) fn keys(&self) -> Option<SharedKeys> {
        self.apart.is_empty().then(|| self.main.keys().clone())
    }

    /// The numbers of a section's header extensions.
    pub(crate) fn extensions(&mut self, mid: Mid) -> Extensions {
        self.of(mid).extensions(mid)
    }

    /// A datagram of media on the main transport that came before the last [`Transports::tick`].
    pub(crate) fn receive_late(&mut self, came: Instant, datagram: Datagram<'_>) -> Result<(), Broken> {
        self.main.receive_late(came, datagram)
    }

    /// Time has passed, or something was written.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), Broken> {
        self.all().try_for_each(|peer| peer.tick(now))
    }

    /// What comes out next. After [`Output::Until`] there is nothing more for now.
    pub(crate) fn poll(&mut self) -> Result<Output, Broken> {
        let several = !self.apart.is_empty();
        let mut until: Option<Instant> = None;
        for peer in self.all() {
            loop {
                match peer.poll()? {
                    Output::Until(at) => {
                        until = Some(until.map_or(at, |until| until.min(at)));
                        break;
                    }
                    // What the way of sound alone carries says nothing about that of pictures.
                    Output::Carries(_) if several && !peer.has_video() => {}
                    output => return Ok(output),
                }
            }
        }
        until.map(Output::Until).ok_or(Broken)
    }

    /// Where packets of a section are sent from.
    pub(crate) fn sender(&mut self, mid: Mid) -> Option<Sender> {
        let transport = self.place(mid);
        let ssrc = self.at(transport)?.sender(mid)?;
        Some(Sender { transport, ssrc })
    }

    /// Whether a datagram of one of the engines is a packet that was given to [`Transports::write`],
    /// on its first way out.
    pub(crate) fn is_forwarded(&self, datagram: &[u8]) -> bool {
        self.peers().any(|peer| peer.is_forwarded(datagram))
    }

    /// The section that a source of the far side's belongs to.
    pub(crate) fn section_of(&mut self, source: Ssrc) -> Option<Mid> {
        self.all().find_map(|peer| peer.section_of(source))
    }

    /// Sends a packet; it leaves at the next [`Transports::tick`].
    pub(crate) fn write(&mut self, sender: Sender, packet: Packet) {
        if let Some(peer) = self.at(sender.transport) {
            peer.write(sender.ssrc, packet);
        }
    }

    /// Asks the far side for a whole picture.
    pub(crate) fn want_picture(&mut self, mid: Mid) {
        self.of(mid).want_picture(mid);
    }

    /// Asks the far side to send no more than this, in bits per second.
    pub(crate) fn limit(&mut self, mid: Mid, bits: u64) {
        self.of(mid).limit(mid, bits);
    }

    /// Takes leave; what is to be sent for it comes out of [`Transports::poll`].
    pub(crate) fn close(&mut self) {
        self.all().for_each(Peer::close);
    }

    fn peers(&self) -> impl Iterator<Item = &Peer> {
        std::iter::once(&self.main).chain(self.apart.iter().map(|apart| &apart.peer))
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Peer> {
        std::iter::once(&mut self.main).chain(self.apart.iter_mut().map(|apart| &mut apart.peer))
    }

    fn place(&self, mid: Mid) -> usize {
        self.apart.iter().position(|apart| apart.mid == mid).map_or(0, |place| place + 1)
    }

    fn at(&mut self, place: usize) -> Option<&mut Peer> {
        match place.checked_sub(1) {
            None => Some(&mut self.main),
            Some(place) => self.apart.get_mut(place).map(|apart| &mut apart.peer),
        }
    }

    fn of(&mut self, mid: Mid) -> &mut Peer {
        match self.apart.iter_mut().find(|apart| apart.mid == mid) {
            Some(apart) => &mut apart.peer,
            None => &mut self.main,
        }
    }
}
