//! What can be known about a place (1000). Part of [`Core`]; called by `requests`, and by `elsewhere`
//! for bridges that show people of other networks.

use super::Core;
use super::book::is_web;
use super::places::{Place, RemotePlace};
use super::relate::refused;
use super::requests::{Refusal, Voice};
use crate::store::AccountKind;
use monster_bridge_api::{Health, Info, InstanceName, PlaceKind, Profile, RequestError};
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
    /// Asks the bridge, unless it answered a moment ago.
    pub(crate) async fn of(&self, place: &RemotePlace) -> Result<Profile, RequestError> {
        self.get(&place.address, place.bridge.profile(&place.id)).await
    }

    /// Asks, unless there was an answer a moment ago. A profile that is too old is better than none.
    pub(crate) async fn get(
        &self,
        address: &Address,
        ask: impl Future<Output = Result<Profile, RequestError>>,
    ) -> Result<Profile, RequestError> {
        let known = self.0.lock().get(address).cloned();
        if let Some((at, known)) = &known {
            let good_for = if known.is_ok() { FRESH } else { FAILED };
            if at.elapsed() < good_for {
                return known.clone();
            }
        }
        let asked = tokio::time::timeout(PATIENCE, ask).await;
        let fresh = asked.unwrap_or_else(|_| Err(RequestError::Unavailable("no answer in time".to_owned())));
        if let (Err(RequestError::Unavailable(_)), Some((_, Ok(old)))) = (&fresh, known) {
            return Ok(old);
        }
        let mut profiles = self.0.lock();
        if profiles.len() >= KEPT {
            profiles.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        if profiles.len() < KEPT {
            profiles.insert(address.clone(), (Instant::now(), fresh.clone()));
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
                write(self.profiles.of(remote).await?, &mut response);
            }
            Place::Console(_, instance, _) => {
                write(self.profile_of_console(instance), &mut response);
                response.info.push(InfoItem::new("help", "Write `help` to this address for what can be set."));
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
        let is_group = account.kind == AccountKind::Group;
        drop(graph);
        if is_group {
            let rows = self.about_group(address);
            response.info.extend(rows.into_iter().map(|row| InfoItem::new(row.title, row.value)));
        }
        Ok(())
    }

    /// What can be known about a local group.
    pub(crate) fn about_group(&self, address: &Address) -> Vec<Info> {
        let graph = self.book.graph().read();
        let mut rows = vec![Info::new("members", graph.members(address.as_str()).count().to_string())];
        if graph.account(&address.name()).is_some_and(|account| account.pass.is_some()) {
            rows.push(Info::new("pass", "needed to join"));
        }
        rows
    }

    /// What can be known about a bridge itself.
    pub(crate) fn profile_of_console(&self, instance: &InstanceName) -> Profile {
        let info = vec![Info::new("state", in_words(&self.health.get(instance)))];
        Profile { name: instance.as_str().to_owned(), picture: None, kind: PlaceKind::Person, info }
    }
}

/// Writes a profile into an answer.
fn write(profile: Profile, response: &mut Response<'_>) {
    response.nickname = Some(profile.name.into());
    response.picurl = profile.picture.map(Into::into);
    response.account_type = Some(match profile.kind {
        PlaceKind::Person => AccountType::Person,
        PlaceKind::Group => AccountType::Group,
        PlaceKind::Channel => AccountType::Channel,
    });
    response.info = profile.info.into_iter().map(|row| InfoItem::new(row.title, row.value)).collect();
}

/// Reads the profile of an account in its server's answer.
pub(crate) fn read(address: &Address, response: &Response<'_>) -> Result<Profile, RequestError> {
    if !response.status.is_success() {
        return Err(match refused(response) {
            Refusal::Bad(why) => RequestError::Unknown(why),
            other => RequestError::Unavailable(other.words()),
        });
    }
    let name = response.nickname.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let rows = response.info.iter().filter(|row| row.title != EXTENSIONS_TITLE);
    Ok(Profile {
        name: name.map_or_else(|| address.name().into_owned(), str::to_owned),
        picture: response.picurl.as_deref().filter(|url| is_web(url)).map(str::to_owned),
        kind: match response.account_type {
            Some(AccountType::Group) => PlaceKind::Group,
            Some(AccountType::Channel) => PlaceKind::Channel,
            _ => PlaceKind::Person,
        },
        info: rows.map(|row| Info::new(row.title.as_ref(), row.value.as_ref())).collect(),
    })
}

pub(crate) fn in_words(health: &Health) -> String {
    match health {
        Health::Idle => "not connected, as nobody needs it".to_owned(),
        Health::Connecting => "connecting".to_owned(),
        Health::Up => "connected".to_owned(),
        Health::Down { why } => format!("not connected: {why}"),
    }
}
