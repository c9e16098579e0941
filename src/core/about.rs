//! What can be known about a place (1000). Part of [`Core`]; called by `requests`.

use super::Core;
use super::places::{Place, RemotePlace};
use super::relate::refused;
use super::requests::{Refusal, Voice};
use crate::store::AccountKind;
use monster_bridge_api::{Health, PlaceKind, Profile, RequestError};
use monster_protocol::{AccountType, Address, EXTENSIONS_TITLE, InfoItem, Request, RequestBody, Response, Status};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a profile is given again without asking.
const FRESH: Duration = Duration::from_secs(30);
/// How long a failure is.
const FAILED: Duration = Duration::from_secs(3);
/// The longest that a socket waits for a network's answer.
const PATIENCE: Duration = Duration::from_millis(4_500);
/// The most profiles kept.
const KEPT: usize = 10_000;

/// What bridges answered lately.
#[derive(Default)]
pub(crate) struct Profiles(Mutex<HashMap<Address, Answer>>);

/// When a bridge answered, and what.
type Answer = (Instant, Result<Profile, RequestError>);

impl Profiles {
    /// Asks the bridge, unless it answered a moment ago. A profile that is too old is better than
    /// none.
    pub(crate) async fn get(&self, place: &RemotePlace) -> Result<Profile, RequestError> {
        let known = self.0.lock().get(&place.address).cloned();
        if let Some((at, known)) = &known {
            let good_for = if known.is_ok() { FRESH } else { FAILED };
            if at.elapsed() < good_for {
                return known.clone();
            }
        }
        let asked = tokio::time::timeout(PATIENCE, place.bridge.profile(&place.id)).await;
        let fresh = asked.unwrap_or_else(|_| Err(RequestError::Unavailable("no answer in time".to_owned())));
        if let (Err(RequestError::Unavailable(_)), Some((_, Ok(old)))) = (&fresh, known) {
            return Ok(old);
        }
        let mut profiles = self.0.lock();
        if profiles.len() >= KEPT {
            profiles.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if profiles.len() < KEPT {
            profiles.insert(place.address.clone(), (Instant::now(), fresh.clone()));
        }
        fresh
    }

    /// Forgets what is known of somebody who is called something else now.
    pub(crate) fn forget(&self, address: &Address) {
        self.0.lock().remove(address);
    }
}

impl Core {
    /// 1000. `None`: asked by somebody who has not shown who they are.
    pub(crate) async fn about(
        &self,
        voice: Option<&Voice>,
        place: &Place,
        request: &Request<'_>,
    ) -> Result<Response<'static>, Refusal> {
        let mut response = request.answer(Status::Information);
        match place {
            Place::Person(address) | Place::Group(address) => self.about_local(address, &mut response)?,
            Place::Bridge(remote) => {
                let profile = self.profiles.get(remote).await?;
                response.nickname = Some(profile.name.into());
                response.picurl = profile.picture.map(Into::into);
                response.account_type = Some(match profile.kind {
                    PlaceKind::Person => AccountType::Person,
                    PlaceKind::Group => AccountType::Group,
                    PlaceKind::Channel => AccountType::Channel,
                });
                response.info = profile.info.into_iter().map(|row| InfoItem::new(row.title, row.value)).collect();
            }
            Place::Console(_, instance, _) => {
                response.nickname = Some(instance.as_str().to_owned().into());
                response.account_type = Some(AccountType::Person);
                let health = self.health.get(instance);
                response.info = vec![
                    InfoItem::new("state", in_words(&health)),
                    InfoItem::new("help", "Write `help` to this address for what can be set."),
                ];
            }
            Place::Remote(address) => {
                let Some(voice) = voice.filter(|voice| voice.home) else {
                    return Err(Refusal::Elsewhere(address.clone()));
                };
                let mut answer = self.ask(voice, address, RequestBody::Info).await?;
                if !answer.status.is_success() {
                    return Err(refused(&answer));
                }
                answer.message_id = request.message_id.to_string().into();
                return Ok(answer);
            }
        }
        response.info.push(InfoItem::new(EXTENSIONS_TITLE, "1"));
        Ok(response)
    }

    fn about_local(&self, address: &Address, response: &mut Response<'static>) -> Result<(), Refusal> {
        let graph = self.book.graph().read();
        let Some(account) = graph.account(&address.name()) else {
            return Err(Refusal::bad(format!("there is no account {address}")));
        };
        response.nickname = Some(account.nickname.clone().unwrap_or_else(|| account.name.clone()).into());
        response.picurl = account.picture.clone().map(Into::into);
        response.account_type = Some(match account.kind {
            AccountKind::Person => AccountType::Person,
            AccountKind::Group => AccountType::Group,
        });
        if account.kind == AccountKind::Group {
            let members = graph.members(address.as_str()).count();
            response.info.push(InfoItem::new("members", members.to_string()));
            if account.pass.is_some() {
                response.info.push(InfoItem::new("pass", "needed to join"));
            }
        }
        Ok(())
    }
}

fn in_words(health: &Health) -> String {
    match health {
        Health::Idle => "not connected, as nobody needs it".to_owned(),
        Health::Connecting => "connecting".to_owned(),
        Health::Up => "connected".to_owned(),
        Health::Down { why } => format!("not connected: {why}"),
    }
}
