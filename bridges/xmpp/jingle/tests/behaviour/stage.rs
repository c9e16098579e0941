//! Two dialogues that talk to each other: the gateway's and, as the user's client, another gateway's.

use minidom::Element;
use monster_bridge_api::{CallMedia, CallStep, EndReason};
use monster_jingle::{Dialogue, Jingle, Message, Output, Reach, Refused, Replied};
use std::fmt::Write as _;

pub(crate) const GATEWAY: &str = "alice@gw.example/monster";
pub(crate) const PHONE: &str = "bob@xmpp.example/phone";
pub(crate) const TABLET: &str = "bob@xmpp.example/tablet";
pub(crate) const SID: &str = "a1b2c3";

/// A session description of the gateway's kind: sections by kind and direction.
pub(crate) fn sdp(ufrag: &str, sections: &[(&str, &str)]) -> String {
    let mids: Vec<String> = (0..sections.len()).map(|index| index.to_string()).collect();
    let mut text = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
    for (mid, (kind, direction)) in sections.iter().enumerate() {
        if *direction == "off" {
            let _ = write!(text, "m={kind} 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=inactive\r\n");
            text = text.replacen(&format!(" {mid}\r\n"), "\r\n", 1);
            continue;
        }
        let (number, codec) = if *kind == "audio" { (111, "opus/48000/2") } else { (96, "VP8/90000") };
        let _ = write!(
            text,
            "m={kind} 9 UDP/TLS/RTP/SAVPF {number}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=ice-ufrag:{ufrag}\r\n\
             a=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na={direction}\r\n\
             a=rtcp-mux\r\na=rtpmap:{number} {codec}\r\n",
            vec!["AB"; 32].join(":"),
        );
        if mid == 0 {
            let _ = write!(text, "a=candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n");
        }
    }
    text
}

pub(crate) fn offer(video: bool) -> CallStep {
    let media = if video { CallMedia::Video } else { CallMedia::Voice };
    let sections: &[(&str, &str)] =
        if video { &[("audio", "sendrecv"), ("video", "sendrecv")] } else { &[("audio", "sendrecv")] };
    CallStep::Offer { media, sdp: Some(sdp("gate", sections)) }
}

pub(crate) fn answer(ufrag: &str, sections: &[(&str, &str)]) -> CallStep {
    CallStep::Answer { sdp: Some(sdp(ufrag, sections)) }
}

pub(crate) fn update(ufrag: &str, sections: &[(&str, &str)]) -> CallStep {
    CallStep::Update { sdp: Some(sdp(ufrag, sections)), muted: None }
}

/// The session description in a step.
pub(crate) fn described(step: &CallStep) -> &str {
    match step {
        CallStep::Offer { sdp: Some(sdp), .. }
        | CallStep::Answer { sdp: Some(sdp) }
        | CallStep::Update { sdp: Some(sdp), .. } => sdp,
        other => panic!("there is no session description in {other:?}"),
    }
}

/// The gateway and one device of the user's.
pub(crate) struct Stage {
    pub(crate) gateway: Dialogue,
    pub(crate) client: Option<Dialogue>,
    /// What the gateway is told, and what the user's side is.
    pub(crate) told: Vec<CallStep>,
    pub(crate) client_told: Vec<CallStep>,
    /// What went over the wire: `>` to the user, `<` from the user.
    pub(crate) wire: Vec<String>,
    pub(crate) last: Option<Element>,
}

impl Stage {
    /// The gateway calls the user's phone.
    pub(crate) fn calling(by_message: bool) -> Self {
        let devices = if by_message { Vec::new() } else { vec![PHONE.to_owned()] };
        let gateway = Dialogue::to("bob@xmpp.example", GATEWAY, SID, Reach { by_message, devices });
        Self { gateway, client: None, told: Vec::new(), client_told: Vec::new(), wire: Vec::new(), last: None }
    }

    /// A voice call that is up.
    pub(crate) fn up(by_message: bool) -> Self {
        let mut stage = Self::calling(by_message);
        stage.does(offer(false));
        if by_message {
            stage.client_does(CallStep::Answer { sdp: None });
        }
        stage.client_does(answer("user", &[("audio", "sendrecv")]));
        assert!(matches!(stage.told.last(), Some(CallStep::Answer { sdp: Some(_) })), "{:?}", stage.wire);
        stage.forget();
        stage
    }

    pub(crate) fn forget(&mut self) {
        self.told.clear();
        self.client_told.clear();
        self.wire.clear();
    }

    pub(crate) fn does(&mut self, step: CallStep) {
        let out = self.gateway.step(step).unwrap();
        self.carry(out, true);
    }

    pub(crate) fn client_does(&mut self, step: CallStep) {
        let out = self.client.as_mut().expect("nobody was called").step(step).unwrap();
        self.carry(out, false);
    }

    /// An element that the user's phone sends, as it is.
    pub(crate) fn client_sends(&mut self, text: &str) -> Result<(), Refused> {
        self.sends(PHONE, text)
    }

    pub(crate) fn sends(&mut self, from: &str, text: &str) -> Result<(), Refused> {
        let element: Element = text.parse().unwrap();
        let out = if Message::is(&element) {
            self.gateway.message(from, &Message::of_element(&element)?)
        } else {
            self.gateway.jingle(from, &Jingle::of_element(&element)?)?
        };
        self.carry(out, true);
        Ok(())
    }

    pub(crate) fn ended(&self) -> Option<&EndReason> {
        self.told.iter().find_map(|step| if let CallStep::End(why) = step { Some(why) } else { None })
    }

    /// Does what comes out of one side, and of the other side in turn.
    pub(crate) fn carry(&mut self, out: Vec<Output>, from_gateway: bool) {
        for output in out {
            let (arrow, sender) = if from_gateway { ('>', GATEWAY) } else { ('<', PHONE) };
            match output {
                Output::Step { step, .. } => {
                    if from_gateway { &mut self.told } else { &mut self.client_told }.push(step);
                }
                Output::Message { payload, .. } => {
                    self.wire.push(format!("{arrow}{}", payload.name()));
                    let message = Message::of_element(&payload).unwrap();
                    self.last = Some(payload);
                    let out = self.other(from_gateway, &message.id).message(sender, &message);
                    self.carry(out, !from_gateway);
                }
                Output::Iq { to, payload, token } => {
                    let jingle = Jingle::of_element(&payload).unwrap();
                    self.wire.push(format!("{arrow}{}", jingle.action.as_str()));
                    self.last = Some(payload);
                    if to == TABLET {
                        continue;
                    }
                    let answered = self.other(from_gateway, &jingle.sid).jingle(sender, &jingle);
                    let (replied, out) = match answered {
                        Ok(out) => (Replied::Done, out),
                        Err(refused) if refused.jingle == Some("tie-break") => (Replied::TieBreak, Vec::new()),
                        Err(refused) => (Replied::Refused(refused.to_string()), Vec::new()),
                    };
                    let own = if from_gateway { Some(&mut self.gateway) } else { self.client.as_mut() };
                    let more = own.map(|own| own.replied(token, &replied)).unwrap_or_default();
                    self.carry(more, from_gateway);
                    self.carry(out, !from_gateway);
                }
            }
        }
    }

    fn other(&mut self, from_gateway: bool, sid: &str) -> &mut Dialogue {
        if from_gateway {
            self.client.get_or_insert_with(|| Dialogue::by(GATEWAY, PHONE, sid))
        } else {
            &mut self.gateway
        }
    }
}
