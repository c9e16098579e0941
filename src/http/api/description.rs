//! What `/api/v1/openapi.json` says beyond what the routes say of themselves: the title, the token,
//! and the failures that every route can answer.

use super::PREFIX;
use super::error::Failure;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Paths, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, ToSchema as _};

/// The parts that no route has.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "monster-gateway API",
        description = "Accounts, links, the map, conversations, waiting deliveries and bridges of a gateway.\n\n\
            Every request needs the administrator's token (`monster-gateway admin-token`), but those under \
            `/me` need the token of the account that they are about. Lists come in pages: \
            `next` of one is `cursor` of the following. Unknown fields and parameters are refused. A `PUT` again \
            changes nothing; a `DELETE` of what is not there is answered as if it had been.",
    ),
    components(schemas(Failure)),
    security(("token" = [])),
    modifiers(&Token),
)]
pub(super) struct Description;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        for name in ["token", "account"] {
            components.add_security_scheme(name, scheme.clone());
        }
    }
}

/// Failures that every route can answer.
const ALWAYS: [(&str, &str); 5] = [
    ("400", "A field, path segment or parameter cannot be what it is; `field` names it"),
    ("401", "The token is missing or wrong"),
    ("429", "Too many wrong tokens from this address; `Retry-After` says for how long"),
    ("500", "The gateway failed; its log says more"),
    ("503", "The store is busy; try again"),
];

/// Failures of routes that read a body.
const WITH_BODY: [(&str, &str); 2] =
    [("413", "The body is larger than 64 KiB"), ("415", "The body is not `application/json`")];

/// Puts every path under the prefix, and adds to every route the failures that it has with the
/// others in common.
pub(super) fn complete(document: &mut OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths = Paths::new();
    for (path, mut item) in paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().for_each(add_failures);
        document.paths.paths.insert(format!("{PREFIX}{path}"), item);
    }
}

fn add_failures(operation: &mut Operation) {
    let with_body = if operation.request_body.is_some() { &WITH_BODY[..] } else { &[] };
    for (status, why) in ALWAYS.iter().chain(with_body) {
        let known = &mut operation.responses.responses;
        known.entry((*status).to_owned()).or_insert_with(|| RefOr::T(failure(why)));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
            && response.content.is_empty()
        {
            *response = failure(&response.description);
        }
    }
}

fn failure(why: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name(Failure::name())));
    ResponseBuilder::new().description(why).content("application/json", content).build()
}
