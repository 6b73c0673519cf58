//! Pages of the operators' area: the installation as a whole, for platform administrators.

mod fields;
mod host;
mod host_new;
mod hosts;
mod keys;
mod metering;
mod organization;
mod organizations;
mod overview;
mod plans;
mod proofs;
mod queue;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use hexabase_api::html_pages::PageError;
use hexabase_core::error::Error;

use crate::context::Context;
use crate::form::Submission;
use crate::routes::{Page, show, submit};
use crate::state::ConsoleState;
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let operator = Access::Operator;
    vec![
        show(urls::INSTALLATION, operator, overview::show),
        show(urls::HOSTS, operator, hosts::show),
        show(urls::NEW_HOST, operator, host_new::show),
        submit(urls::NEW_HOST, operator, host_new::submit),
        show(urls::HOST, operator, host::show),
        submit(urls::HOST, operator, host::submit),
        show(urls::QUEUE, operator, queue::show),
        submit(urls::QUEUE, operator, queue::submit),
        show(urls::SIGNING_KEYS, operator, keys::show),
        submit(urls::SIGNING_KEYS, operator, keys::submit),
        show(urls::INSTALLATION_PLANS, operator, plans::show),
        show(urls::TENANTS, operator, organizations::show),
        show(urls::TENANT, operator, organization::show),
        submit(urls::TENANT, operator, organization::submit),
        show(urls::PROOFS, operator, proofs::show),
    ]
}

/// Context of a page for operators, as an extractor. Rejects other users.
#[derive(Debug)]
pub(crate) struct Operator(Context);

impl FromRequestParts<ConsoleState> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ConsoleState) -> Result<Self, Response> {
        let context = Context::from_request_parts(parts, state).await?;
        require_operator(&context).map_err(|error| error.into_response())?;
        Ok(Self(context))
    }
}

/// Form of an operator, as an extractor. Rejects other users.
#[derive(Debug)]
pub(crate) struct OperatorSubmission(Submission);

impl FromRequest<ConsoleState> for OperatorSubmission {
    type Rejection = Response;

    async fn from_request(request: Request, state: &ConsoleState) -> Result<Self, Response> {
        let submission = Submission::from_request(request, state).await?;
        require_operator(&submission.context).map_err(|error| error.into_response())?;
        Ok(Self(submission))
    }
}

fn require_operator(context: &Context) -> Result<(), PageError> {
    if context.is_operator() {
        return Ok(());
    }
    let error = Error::forbidden(context.text("operators-only"));
    Err(error.into())
}
