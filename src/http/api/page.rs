//! Lists in pages: `limit` and `cursor` of the request, `items` and `next` of the answer.

use super::error::{ApiError, Result};
use super::input::Parameters;
use serde::Serialize;
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

/// Items in a page, unless the request says otherwise.
const USUAL: usize = 50;
/// Items in a page at most.
const MOST: usize = 500;

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// Which page is asked for.
#[derive(Debug, Clone)]
pub(super) struct PageOf<C> {
    /// Where it starts: after the last item of the page before.
    pub(super) after: Option<C>,
    /// How many items it may have.
    pub(super) limit: usize,
}

/// The parameters as the description has them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here; `PageOf::take` reads them")]
pub(super) struct PageParameters {
    /// How many items the page may have, 1–500; 50 if it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// `next` of the page before.
    cursor: Option<String>,
}

impl<C: FromStr> PageOf<C> {
    /// Reads which page is asked for.
    pub(super) fn take(parameters: &mut Parameters) -> Result<Self> {
        let limit = match parameters.take("limit") {
            None => USUAL,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MOST) => limit,
                _ => return Err(ApiError::field("limit", format!("expected a number from 1 to {MOST}"))),
            },
        };
        let after = match parameters.take("cursor") {
            None => None,
            Some(text) => match text.parse() {
                Ok(cursor) => Some(cursor),
                Err(_) => return Err(ApiError::field("cursor", "expected the `next` of the page before")),
            },
        };
        Ok(Self { after, limit })
    }

    /// Reads which page is asked for, where nothing else can be.
    pub(super) fn only(mut parameters: Parameters) -> Result<Self> {
        let page = Self::take(&mut parameters)?;
        parameters.finish()?;
        Ok(page)
    }

    /// How many items to read: one more than are shown tells whether there is a next page.
    pub(super) fn read(&self) -> usize {
        self.limit + 1
    }

    /// Makes the page of what was read.
    pub(super) fn of<R, T>(&self, mut read: Vec<R>, cursor: impl Fn(&R) -> String, view: impl Fn(R) -> T) -> Page<T> {
        let more = read.len() > self.limit;
        read.truncate(self.limit);
        let next = read.last().filter(|_| more).map(cursor);
        Page { items: read.into_iter().map(view).collect(), next }
    }
}
