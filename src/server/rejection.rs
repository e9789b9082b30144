//! Answers to requests that are no reviews that we can answer.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use crate::admission::ReviewError;

/// The longest text that goes back with a 400.
const TEXT_BYTES: usize = 256;

/// Why a request gets no review in return. The API server applies the failure policy to each.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error("the request ended before its body did")]
    Aborted,
    #[error("too many reviews at once; try again")]
    Busy,
    #[error("the review could not be answered; stateward's log says why")]
    Internal,
    #[error("the review was not answered in time")]
    Late,
    #[error("{0}")]
    Malformed(String),
    #[error("the body did not arrive in time")]
    SlowBody,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the content type must be application/json")]
    WrongType,
}

impl Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::Aborted | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Late => StatusCode::SERVICE_UNAVAILABLE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// The word for metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Busy => "shed",
            Self::Internal => "error",
            Self::Late => "late",
            Self::Malformed(_) => "malformed",
            Self::SlowBody => "slow_body",
            Self::TooLarge(_) => "too_large",
            Self::WrongType => "wrong_type",
        }
    }
}

impl From<ReviewError> for Rejection {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::NotJson(_) | ReviewError::NotReview(_) => {
                let mut text = error.to_string();
                text.truncate(text.floor_char_boundary(TEXT_BYTES));
                Self::Malformed(text)
            }
            ReviewError::Engine(fault) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "failed to answer a review");
                Self::Internal
            }
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let text = (self.status(), [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{self}\n"));
        match self {
            // The API server's client tries again only if it is told when.
            Self::Busy => ([(RETRY_AFTER, "1")], text).into_response(),
            _ => text.into_response(),
        }
    }
}
