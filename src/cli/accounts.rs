//! `account …`: local accounts and their tokens. A token is printed alone on standard output, once;
//! the store keeps only its hash.

use super::failure::{Failure, Outcome};
use super::office::Office;
use super::print;
use crate::store::{Account, AccountKind};
use crate::token::AccountToken;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account and print its token.
    Add(Add),
    /// List the accounts.
    List(List),
    /// Print a further token of an account, e.g. for another device.
    Token(Token),
    /// Remove an account, with its tokens, contacts and what waits for it.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The name in the account's address.
    name: String,
    /// Make a group: a room that people join.
    #[arg(long)]
    group: bool,
    /// What a group asks for when somebody wants to join.
    #[arg(long, requires = "group")]
    pass: Option<String>,
    /// What people call it, if not by its name.
    #[arg(long)]
    nickname: Option<String>,
    /// The URL of a picture.
    #[arg(long, value_name = "URL")]
    picture: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// The account's name.
    name: String,
    /// End all earlier tokens of the account.
    #[arg(long)]
    revoke_others: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The account's name.
    name: String,
}

impl AccountCommand {
    /// Whether it changes anything.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List(_))
    }

    pub(super) async fn run(self, office: &Office) -> Outcome {
        match self {
            Self::Add(add) => add.run(office).await,
            Self::List(list) => list.run(office).await,
            Self::Token(token) => token.run(office).await,
            Self::Remove(Remove { name }) => Ok(office.admin.remove_account(&name).await?),
        }
    }
}

impl Add {
    async fn run(self, office: &Office) -> Outcome {
        let kind = if self.group { AccountKind::Group } else { AccountKind::Person };
        let account = Account {
            name: self.name.clone(),
            kind,
            nickname: self.nickname,
            picture: self.picture,
            pass: self.pass,
            created: 0,
        };
        office.admin.add_account(account).await?;
        print::line(new_token(office, &self.name).await?.reveal())
    }
}

impl Token {
    async fn run(self, office: &Office) -> Outcome {
        if office.store.account(&self.name).await?.is_none() {
            let name = &self.name;
            return Err(Failure::missing(format!("there is no account `{name}`; `account add {name}` makes it")));
        }
        let token = new_token(office, &self.name).await?;
        if self.revoke_others {
            office.store.revoke_tokens(&self.name, Some(token.hash())).await?;
        }
        print::line(token.reveal())
    }
}

/// Gives an account a further token.
pub(super) async fn new_token(office: &Office, name: &str) -> Outcome<AccountToken> {
    let token = AccountToken::make(&|bytes| office.environment.random.fill(bytes));
    office.store.add_token(name, token.hash()).await?;
    Ok(token)
}

impl List {
    async fn run(self, office: &Office) -> Outcome {
        let accounts = office.store.accounts().await?;
        if self.json {
            let rows = accounts.iter().map(|account| as_json(office, account)).collect::<Outcome<Vec<_>>>()?;
            return print::json(&rows);
        }
        let rows = accounts.iter().map(|account| {
            let address = office.admin.address_of(&account.name)?;
            let kind = match account.kind {
                AccountKind::Person => "person",
                AccountKind::Group => "group",
            };
            let nickname = account.nickname.clone().unwrap_or_default();
            Ok([address.to_string(), kind.to_owned(), nickname, print::time(account.created)])
        });
        let rows = rows.collect::<Outcome<Vec<_>>>()?;
        print::table(["ADDRESS", "KIND", "NICKNAME", "SINCE"], &rows, "there are no accounts yet")
    }
}

/// An account for programs. A group's pass is not told, only whether it has one.
fn as_json(office: &Office, account: &Account) -> Outcome<serde_json::Value> {
    Ok(serde_json::json!({
        "name": account.name,
        "address": office.admin.address_of(&account.name)?,
        "kind": account.kind,
        "nickname": account.nickname,
        "picture": account.picture,
        "has_pass": account.pass.is_some(),
        "created": account.created,
    }))
}
