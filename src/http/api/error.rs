//! The one shape of every failure that the API answers: a status, and JSON `{error, field}`.

use crate::core::AdminError;
use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// What a failed request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Failure {
    /// What went wrong, for a person.
    #[schema(example = "expected an address such as `@#rust:libera:gw.example.org`: it has no host")]
    error: String,
    /// The field, path segment or query parameter at fault.
    #[schema(example = "ends[1].address")]
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    failure: Failure,
    retry_after: Option<Duration>,
}

/// What every handler answers.
pub(super) type Result<T, E = ApiError> = std::result::Result<T, E>;

impl ApiError {
    /// A failure that no field is to blame for.
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, failure: Failure { error: error.into(), field: None }, retry_after: None }
    }

    /// 400: a field cannot be what it is.
    pub(super) fn field(field: impl Into<String>, error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error).with_field(field)
    }

    /// 404: there is no such thing.
    pub(super) fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// 429, with the time after which a further try is worth it.
    pub(super) fn too_many(error: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, error) }
    }

    /// Names the field at fault.
    pub(super) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.failure.field = Some(field.into());
        self
    }

    /// The same, told by another status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// True for 404.
    pub(super) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// What is answered, by status.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Invalid { field, why } => Self::field(field, why),
            AdminError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(why) => Self::new(StatusCode::CONFLICT, why),
            StoreError::Missing(why) => Self::missing(why),
            StoreError::Failed { doing, why } => {
                tracing::error!(doing, why, "the store failed a request of the provisioning api");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed; the gateway's log says more")
            }
            StoreError::Busy => Self {
                retry_after: Some(Duration::from_secs(1)),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store is busy; try again")
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.failure)).into_response();
        let headers = response.headers_mut();
        if let Some(pause) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
