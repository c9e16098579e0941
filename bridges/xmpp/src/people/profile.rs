//! Who somebody is, for Monster's 1000: the card (XEP-0054), the picture in it, the last presence; of
//! a room, what it says of itself (XEP-0045 §6.4).

use crate::instance::{Instance, Running};
use crate::names;
use crate::session::{AskError, Session};
use crate::xml::{Make, attr, el, ns, stanza, text_of};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use minidom::Element;
use monster_bridge_api::{Info, MediaFile, PlaceKind, Presence, Profile, RemoteId, RequestError};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The largest picture, in bytes.
const PICTURE: usize = 1 << 20;

impl Instance {
    /// What can be known about a user or room.
    pub(crate) async fn profile(&self, running: &Running, id: &RemoteId) -> Result<Profile, RequestError> {
        let away = || RequestError::Unavailable("the XMPP server is not connected".to_owned());
        let session = running.session().ok_or_else(away)?;
        if let Some((room, _)) = names::split_occupant(id.as_str()) {
            let nick = self.rooms.get(&RemoteId::new(room)).and_then(|room| room.nick_of_occupant(id));
            let name = nick.ok_or_else(|| RequestError::Unknown(format!("they are not in {room} any more")))?;
            let info = vec![Info::new("room", room)];
            return Ok(Profile { name, picture: None, kind: PlaceKind::Person, info });
        }
        let jid = names::jid_of(id).ok_or_else(|| RequestError::Unknown(format!("`{id}` is not an address")))?;
        self.learn_domain(running, &session, jid.domain().as_str()).await;
        if self.is_served(id) {
            let persona = self.personas.persona_of(&jid);
            let persona = persona.ok_or_else(|| RequestError::Unknown(format!("there is no room `{id}`")))?;
            return running.host.about(&persona).await;
        }
        let asked = async {
            if self.kind_of(id) == PlaceKind::Person {
                self.person(running, &session, id, &jid).await
            } else {
                self.room_info(&session, id, &jid).await
            }
        };
        let late = || RequestError::Unavailable(format!("{id} did not answer in time"));
        tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(late()))
    }

    async fn person(
        &self,
        running: &Running,
        session: &Session,
        id: &RemoteId,
        jid: &jid::BareJid,
    ) -> Result<Profile, RequestError> {
        let mut profile =
            Profile { name: self.user(jid).name, picture: None, kind: PlaceKind::Person, info: Vec::new() };
        match self.card(session, id).await {
            Ok(card) => {
                let text = |name: &str| text_of(&card, name, ns::VCARD).filter(|text| !text.trim().is_empty());
                if let Some(name) = text("NICKNAME").or_else(|| text("FN")) {
                    profile.name = name;
                }
                for (element, title) in [("FN", "name"), ("DESC", "about"), ("URL", "web"), ("TITLE", "title")] {
                    if let Some(value) = text(element) {
                        profile.info.push(Info::new(title, value));
                    }
                }
                profile.picture = Self::picture_link(running, id, &card);
            }
            Err(AskError::Error(error))
                if matches!(error.condition.as_str(), "remote-server-not-found" | "remote-server-timeout") =>
            {
                return Err(RequestError::Unknown(format!("{id} cannot be reached: {}", error.text)));
            }
            // Servers don't say whether there is nobody or no card.
            Err(AskError::Error(_)) => {}
            Err(error) => return Err(RequestError::Unavailable(error.to_string())),
        }
        let known = self.people.known.lock().get(id).cloned().unwrap_or_default();
        if let Some(presence) = known.presence {
            let now = match presence {
                Presence::Online => "online",
                Presence::Away => "away",
                Presence::Offline => "offline",
            };
            profile.info.push(Info::new("presence", now));
        }
        if let Some(status) = known.status {
            profile.info.push(Info::new("status", status));
        }
        Ok(profile)
    }

    async fn card(&self, session: &Session, id: &RemoteId) -> Result<Element, AskError> {
        let ask = stanza("iq", self.personas.domain(), id.as_str()).with("type", "get").child(el("vCard", ns::VCARD));
        let answer = session.ask(ask).await?;
        Ok(answer.get_child("vCard", ns::VCARD).cloned().unwrap_or_else(|| el("vCard", ns::VCARD)))
    }

    fn picture_link(running: &Running, id: &RemoteId, card: &Element) -> Option<String> {
        let photo = card.get_child("PHOTO", ns::VCARD)?;
        let has_bytes = photo.has_child("BINVAL", ns::VCARD);
        let media_type = text_of(photo, "TYPE", ns::VCARD).unwrap_or_else(|| "image/png".to_owned());
        let file = MediaFile { reference: format!("card:{id}"), name: "picture".to_owned(), media_type };
        has_bytes.then(|| running.host.media_link(&file))
    }

    async fn room_info(&self, session: &Session, id: &RemoteId, jid: &jid::BareJid) -> Result<Profile, RequestError> {
        let ask = stanza("iq", self.personas.domain(), id.as_str()).with("type", "get");
        let answer = session.ask(ask.child(el("query", ns::DISCO_INFO))).await.map_err(|error| match error {
            AskError::Error(error) => RequestError::Unknown(format!("{id}: {}", error.text)),
            error => RequestError::Unavailable(error.to_string()),
        })?;
        let info = answer.get_child("query", ns::DISCO_INFO).cloned().unwrap_or_else(|| el("query", ns::DISCO_INFO));
        let identity = info.children().find(|child| child.name() == "identity");
        let name = identity.and_then(|identity| attr(identity, "name")).map(str::to_owned);
        let moderated = crate::services::has_feature(&info, "muc_moderated");
        let mut rows = Vec::new();
        let form = info.children().find(|child| child.is("x", ns::DATA));
        for field in form.iter().flat_map(|form| form.children()).filter(|field| field.name() == "field") {
            let title = match field.attr("var") {
                Some("muc#roominfo_description") => "description",
                Some("muc#roominfo_subject") => "topic",
                Some("muc#roominfo_occupants") => "members",
                Some("muc#roominfo_lang") => "language",
                _ => continue,
            };
            if let Some(value) = text_of(field, "value", ns::DATA).filter(|value| !value.trim().is_empty()) {
                rows.push(Info::new(title, value));
            }
        }
        for (feature, value) in [
            ("muc_passwordprotected", "a password is needed"),
            ("muc_membersonly", "members only"),
            ("muc_moderated", "moderated"),
        ] {
            if crate::services::has_feature(&info, feature) {
                rows.push(Info::new("access", value));
            }
        }
        // What the service does not say may be known of a room that is in use.
        if let Some(room) = self.rooms.get(id) {
            let subject = room.subject().filter(|subject| !subject.trim().is_empty());
            for (title, value) in [("members", Some(room.count().to_string())), ("topic", subject)] {
                if let Some(value) = value.filter(|_| !rows.iter().any(|row| row.title == title)) {
                    rows.push(Info::new(title, value));
                }
            }
        }
        let kind = if moderated { PlaceKind::Channel } else { PlaceKind::Group };
        Ok(Profile { name: name.unwrap_or_else(|| names::readable(jid)), picture: None, kind, info: rows })
    }

    /// The picture on somebody's card.
    pub(crate) async fn card_picture(&self, session: &Session, id: &RemoteId) -> Option<(String, Vec<u8>)> {
        let card = self.card(session, id).await.ok()?;
        picture(&card)
    }
}

/// The picture on a card: its media type and its bytes.
fn picture(card: &Element) -> Option<(String, Vec<u8>)> {
    let photo = card.get_child("PHOTO", ns::VCARD)?;
    let encoded: String = text_of(photo, "BINVAL", ns::VCARD)?.split_whitespace().collect();
    let bytes = (encoded.len() <= PICTURE * 4 / 3 + 4).then(|| BASE64_STANDARD.decode(encoded).ok())??;
    let media_type = text_of(photo, "TYPE", ns::VCARD).filter(|kind| kind.starts_with("image/"));
    Some((media_type.unwrap_or_else(|| "image/png".to_owned()), bytes))
}
