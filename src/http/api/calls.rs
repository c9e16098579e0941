//! Calls: what became of them, and how their media was.

use super::Api;
use super::error::Result;
use super::input::Parameters;
use super::page::{Page, PageOf, PageParameters};
use crate::calls::Quality;
use crate::store::CallRow;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
pub(super) struct View {
    /// Its number; newer calls have higher ones.
    number: i64,
    /// The gateway's id of it.
    id: String,
    /// The address of who called.
    caller: String,
    /// The address of who was called.
    callee: String,
    /// What it began as: `voice` or `video`.
    media: String,
    /// Whether there was video at any time.
    video: bool,
    /// When it began, in ms since the epoch.
    began: i64,
    /// When the first device rang, in ms since the epoch.
    ringing: Option<i64>,
    /// When somebody answered, in ms since the epoch.
    answered: Option<i64>,
    /// When media had come from every leg, in ms since the epoch.
    first_media: Option<i64>,
    /// When it was over, in ms since the epoch; absent while it goes on.
    ended: Option<i64>,
    /// What became of it: `answered`, `missed`, `declined`, `busy`, `cancelled`, `crossed` or
    /// `failed`; absent while it goes on.
    outcome: Option<String>,
    /// Why it ended, as in frames: `hung_up`, `no_answer`, `failed: …`.
    reason: Option<String>,
    /// Who ended it: `caller` or `callee`; absent if neither did.
    ended_by: Option<String>,
    /// How its media was; absent if there was none.
    quality: Option<Quality>,
}

impl From<CallRow> for View {
    fn from(call: CallRow) -> Self {
        Self {
            number: call.number,
            id: call.id,
            caller: call.caller,
            callee: call.callee,
            media: call.media,
            video: call.video,
            began: call.began,
            ringing: call.ringing,
            answered: call.answered,
            first_media: call.first_media,
            ended: call.ended,
            outcome: call.outcome,
            reason: call.reason,
            ended_by: call.ended_by,
            quality: call.figures.as_deref().and_then(Quality::read),
        }
    }
}

/// Lists calls, the newest first, those that go on among them.
#[utoipa::path(get, path = "/calls", tag = "calls", operation_id = "listCalls", params(PageParameters),
    responses((status = 200, description = "A page of calls", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<i64>::only(parameters)?;
    let read = api.store.calls(page.after, page.read()).await?;
    Ok(Json(page.of(read, |call: &CallRow| call.number.to_string(), View::from)))
}
