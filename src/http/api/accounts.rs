//! Local accounts and their tokens.

use super::Api;
use super::error::{ApiError, Result};
use super::input::{Body, Parameters, Segments, TEXT_BYTES, picture, text};
use super::page::{Page, PageOf, PageParameters};
use crate::store::{Account, AccountKind};
use crate::token::AccountToken;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A local account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct View {
    /// The name in its address.
    #[schema(example = "alice")]
    name: String,
    /// Its address.
    #[schema(example = "@alice:gw.example.org")]
    address: String,
    /// What it is.
    kind: Kind,
    /// What people call it, where not by its name.
    nickname: Option<String>,
    /// URL of a picture.
    picture: Option<String>,
    /// For a group: what somebody must give to join it.
    pass: Option<String>,
    /// When it was made, in ms since the epoch.
    created: i64,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Somebody.
    Person,
    /// A room.
    Group,
}

/// What an account shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountChange)]
pub(super) struct Change {
    /// What it is; cannot be changed later.
    kind: Kind,
    /// What people call it; its name if absent.
    #[schema(min_length = 1, max_length = 512)]
    nickname: Option<String>,
    /// An `http` or `https` URL of a picture.
    #[schema(max_length = 2048, pattern = "^https?://")]
    picture: Option<String>,
    /// For a group: what somebody must give to join it; nothing if absent.
    #[schema(min_length = 1, max_length = 512)]
    pass: Option<String>,
}

/// What a new token shall be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TokenRequest)]
pub(super) struct TokenRequest {
    /// End all other tokens of the account.
    revoke_others: bool,
}

/// A token, which nobody can be told again.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    /// For `Authorization: Bearer` or `?token=` on the account's own URL.
    token: String,
}

impl From<AccountKind> for Kind {
    fn from(kind: AccountKind) -> Self {
        match kind {
            AccountKind::Person => Self::Person,
            AccountKind::Group => Self::Group,
        }
    }
}

impl From<Kind> for AccountKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::Person,
            Kind::Group => Self::Group,
        }
    }
}

impl Api {
    fn view(&self, account: Account) -> View {
        // A name that was taken once and is reserved now still has to be shown.
        let address = self.core.admin().address_of(&account.name).map(|address| address.to_string());
        View {
            address: address.unwrap_or_default(),
            name: account.name,
            kind: account.kind.into(),
            nickname: account.nickname,
            picture: account.picture,
            pass: account.pass,
            created: account.created,
        }
    }

    async fn account(&self, name: &str) -> Result<Account> {
        let account = self.store.account(name).await?;
        account.ok_or_else(|| ApiError::missing(format!("there is no account `{name}`")))
    }
}

impl Change {
    fn check(&self) -> Result<()> {
        if let Some(nickname) = &self.nickname {
            text("nickname", nickname, TEXT_BYTES)?;
        }
        if let Some(url) = &self.picture {
            picture("picture", url)?;
        }
        if let Some(pass) = &self.pass {
            text("pass", pass, TEXT_BYTES)?;
        }
        Ok(())
    }
}

/// Lists accounts, by name.
#[utoipa::path(get, path = "/accounts", tag = "accounts", operation_id = "listAccounts", params(PageParameters),
    responses((status = 200, description = "A page of accounts", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<String>::only(parameters)?;
    let after = page.after.as_deref().unwrap_or_default();
    let accounts = api.store.accounts().await?;
    let read = accounts.into_iter().filter(|account| account.name.as_str() > after).take(page.read()).collect();
    Ok(Json(page.of(read, |account: &Account| account.name.clone(), |account| api.view(account))))
}

/// Shows an account.
#[utoipa::path(get, path = "/accounts/{name}", tag = "accounts", operation_id = "getAccount",
    params(("name" = String, Path, description = "The name in its address")),
    responses((status = 200, description = "The account", body = View), (status = 404, description = "There is none")))]
pub(super) async fn one(State(api): State<Api>, Segments(name): Segments<String>) -> Result<Json<View>> {
    let account = api.account(&name).await?;
    Ok(Json(api.view(account)))
}

/// Makes an account, or makes one that is there what the body says.
#[utoipa::path(put, path = "/accounts/{name}", tag = "accounts", operation_id = "putAccount",
    params(("name" = String, Path, description = "The name in its address")), request_body = Change,
    responses(
        (status = 200, description = "The account as it is now", body = View),
        (status = 201, description = "The account, newly made", body = View),
        (status = 409, description = "It is there as something else: a person stays one, and so does a group"),
    ))]
pub(super) async fn put(
    State(api): State<Api>,
    Segments(name): Segments<String>,
    Body(change): Body<Change>,
) -> Result<(StatusCode, Json<View>)> {
    text("name", &name, TEXT_BYTES)?;
    change.check()?;
    let known = api.store.account(&name).await?;
    if known.as_ref().is_some_and(|known| Kind::from(known.kind) != change.kind) {
        let why = "a person cannot become a group, nor a group a person";
        return Err(ApiError::new(StatusCode::CONFLICT, why).with_field("kind"));
    }
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let account = Account {
        name: name.clone(),
        kind: change.kind.into(),
        nickname: change.nickname,
        picture: change.picture,
        pass: change.pass,
        created: known.map_or(0, |known| known.created),
    };
    if status == StatusCode::OK {
        api.core.admin().update_account(account).await?;
    } else {
        api.core.admin().add_account(account).await?;
    }
    let account = api.account(&name).await?;
    Ok((status, Json(api.view(account))))
}

/// Removes an account with its tokens, relations and what waits for it.
#[utoipa::path(delete, path = "/accounts/{name}", tag = "accounts", operation_id = "removeAccount",
    params(("name" = String, Path, description = "The name in its address")),
    responses((status = 204, description = "There is no such account any more")))]
pub(super) async fn remove(State(api): State<Api>, Segments(name): Segments<String>) -> Result<StatusCode> {
    if api.store.account(&name).await?.is_some() {
        api.core.admin().remove_account(&name).await?;
        api.core.end_revoked().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token with which somebody is the owner of an account.
#[utoipa::path(post, path = "/accounts/{name}/tokens", tag = "accounts", operation_id = "makeToken",
    params(("name" = String, Path, description = "The name in the account's address")), request_body = TokenRequest,
    responses(
        (status = 201, description = "The token", body = TokenView),
        (status = 404, description = "There is no such account"),
        (status = 409, description = "The account is a group, which has no owner"),
    ))]
pub(super) async fn make_token(
    State(api): State<Api>,
    Segments(name): Segments<String>,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenView>)> {
    if api.account(&name).await?.kind == AccountKind::Group {
        return Err(ApiError::new(StatusCode::CONFLICT, format!("`{name}` is a group, which has no owner")));
    }
    let token = AccountToken::make(&|bytes| api.environment.random.fill(bytes));
    api.store.add_token(&name, token.hash()).await?;
    if request.revoke_others {
        api.core.admin().revoke_tokens(&name, Some(token.hash())).await?;
        api.core.end_revoked().await?;
    }
    Ok((StatusCode::CREATED, Json(TokenView { token: token.reveal().to_owned() })))
}

/// Ends all tokens of an account.
#[utoipa::path(delete, path = "/accounts/{name}/tokens", tag = "accounts", operation_id = "revokeTokens",
    params(("name" = String, Path, description = "The name in the account's address")),
    responses((status = 204, description = "The account has no token any more")))]
pub(super) async fn revoke_tokens(State(api): State<Api>, Segments(name): Segments<String>) -> Result<StatusCode> {
    api.core.admin().revoke_tokens(&name, None).await?;
    api.core.end_revoked().await?;
    Ok(StatusCode::NO_CONTENT)
}
