//! What a Monster person says to the bridge itself (`@*:instance:…`): their own settings.

use crate::instance::Instance;
use crate::nick;
use crate::proto::session::FailureKind;
use monster_bridge_api::{Author, RemoteId};
use std::sync::Arc;

/// The longest nick that can be asked for; the server has the last word.
const LONGEST_NICK: usize = 30;

/// Does what the line says, and answers.
pub(crate) async fn command(instance: &Arc<Instance>, who: &Author, line: &str) -> String {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or_default().to_lowercase();
    match (verb.as_str(), words.next(), words.next()) {
        ("nick", None, _) => instance.own_nick(who).await,
        ("nick", Some(chosen), None) => instance.change_own_nick(who, chosen).await,
        ("nick", Some(_), Some(_)) => "a nick is one word: write `nick NAME`, for example `nick ali_cia`".to_owned(),
        ("status", None, _) => instance.status_line(),
        ("help", ..) => help(instance),
        _ => {
            let word: String = verb.chars().filter(|c| !c.is_control()).take(LONGEST_NICK).collect();
            format!("I do not know what to do with `{word}`.\n{}", help(instance))
        }
    }
}

fn help(instance: &Instance) -> String {
    format!(
        "I connect you with IRC ({}).\nnick - tells what you are called there\nnick NAME - changes it\nstatus - tells \
         how I am doing\nhelp - this text",
        instance.dialer.host()
    )
}

impl Instance {
    /// How the instance is doing, on one line.
    pub(crate) fn status_line(&self) -> String {
        let host = self.dialer.host();
        let Some(bot) = self.bot.conn() else {
            let why = self.bot.trouble().unwrap_or_else(|| "nobody has needed it yet".to_owned());
            return format!("not connected to {host}: {why}");
        };
        format!(
            "connected to {host} as {}, in {} channels, with {} puppets",
            bot.nick(),
            bot.look(|session| session.channels().count()),
            self.puppets.count()
        )
    }

    async fn own_nick(&self, who: &Author) -> String {
        if let Some(conn) = self.puppets.conn_of(&who.id) {
            return format!("you are {} on {}", conn.nick(), self.dialer.host());
        }
        let nick = self.person(who).await.wanted_nick(&self.config.puppets.nick_template, LONGEST_NICK);
        format!("you will be {nick} on {}, once you are connected", self.dialer.host())
    }

    async fn change_own_nick(&self, who: &Author, chosen: &str) -> String {
        let fits = chosen.len() <= LONGEST_NICK && nick::nick_of(chosen, "", LONGEST_NICK) == chosen;
        let target = self.names.target(&RemoteId::new(chosen)).ok().filter(|target| fits && !target.is_channel());
        let Some(target) = target else {
            return format!(
                "`{chosen}` cannot be a nick: letters, digits and -_[]{{}}\\^|` only, not beginning with a digit"
            );
        };
        if let Err(why) = self.choose_nick(who, chosen).await {
            return why;
        }
        let Some(conn) = self.puppets.conn_of(&who.id) else {
            return format!("you will be {chosen}, once you are connected");
        };
        match conn.change_nick(&target).await {
            Ok(()) => format!("you are {} now", conn.nick()),
            Err(failure) if failure.kind == FailureKind::NickInUse => {
                format!("{chosen} is taken now; you get it when it is free")
            }
            Err(failure) => format!("the server did not take {chosen}: {}", failure.why),
        }
    }
}
