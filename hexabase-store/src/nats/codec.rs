//! Codec of messages for JetStream: the fields of a message are headers, its payload is the payload.

use std::str::FromStr;
use std::time::Duration;

use async_nats::header::HeaderMap;
use async_nats::jetstream::Message;
use hexabase_core::changeset::{OutboxMessage, Topic};
use hexabase_core::error::{Error, Result};
use hexabase_core::queue::DeadLetter;
use jiff::Timestamp;

const MESSAGE_ID: &str = "Hexabase-Message-Id";
const TOPIC: &str = "Hexabase-Topic";
const ORGANIZATION_ID: &str = "Hexabase-Organization-Id";
const WORKSPACE_ID: &str = "Hexabase-Workspace-Id";
/// Trace of the message, as in HTTP (<https://www.w3.org/TR/trace-context/>).
const TRACE_PARENT: &str = "traceparent";
/// Delay of the first delivery, in milliseconds.
const DELAY_MS: &str = "Hexabase-Delay-Ms";
/// Number of deliveries of a dead letter.
const ATTEMPTS: &str = "Hexabase-Attempts";
/// Reason of a dead letter.
const REASON: &str = "Hexabase-Reason";

/// Returns the headers of a message.
pub(super) fn headers(message: &OutboxMessage, delay: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(MESSAGE_ID, message.id.to_string().as_str());
    headers.insert(TOPIC, message.topic.as_str());
    headers.insert(ORGANIZATION_ID, message.organization_id.to_string().as_str());
    if let Some(workspace) = message.workspace_id {
        headers.insert(WORKSPACE_ID, workspace.to_string().as_str());
    }
    if let Some(parent) = message.trace_parent {
        headers.insert(TRACE_PARENT, parent.to_string().as_str());
    }
    if let Some(delay) = delay {
        headers.insert(DELAY_MS, delay.as_millis().max(1).to_string().as_str());
    }
    headers
}

/// Adds the reason of a dead letter and the number of its deliveries.
pub(super) fn set_reason(headers: &mut HeaderMap, attempts: u32, reason: &str) {
    headers.insert(ATTEMPTS, attempts.to_string().as_str());
    // The value of a header is a single line.
    headers.insert(REASON, reason.replace(['\r', '\n'], " ").as_str());
}

/// Returns the delay of the first delivery; `None` if the message is to be delivered at once.
pub(super) fn delay(headers: &HeaderMap) -> Option<Duration> {
    headers.get(DELAY_MS)?.as_str().parse().ok().map(Duration::from_millis)
}

/// Decodes a message from its [`headers`] and payload.
pub(super) fn decode(headers: &HeaderMap, payload: &[u8]) -> Result<OutboxMessage> {
    let topic = headers.get(TOPIC).and_then(|topic| Topic::parse(topic.as_str()));
    Ok(OutboxMessage {
        id: header(headers, MESSAGE_ID)?.ok_or_else(|| unreadable(MESSAGE_ID))?,
        topic: topic.ok_or_else(|| unreadable(TOPIC))?,
        organization_id: header(headers, ORGANIZATION_ID)?.ok_or_else(|| unreadable(ORGANIZATION_ID))?,
        workspace_id: header(headers, WORKSPACE_ID)?,
        payload: payload.to_vec(),
        // A message is more important than its trace.
        trace_parent: headers.get(TRACE_PARENT).and_then(|value| value.as_str().parse().ok()),
    })
}

/// Decodes a dead letter.
pub(super) fn decode_dead_letter(message: &Message) -> Result<DeadLetter> {
    let headers = message.headers.clone().unwrap_or_default();
    let published = message.info().map_err(|_| unreadable("timestamp"))?.published;
    Ok(DeadLetter {
        message: decode(&headers, &message.payload)?,
        attempts: header(&headers, ATTEMPTS)?.ok_or_else(|| unreadable(ATTEMPTS))?,
        reason: header(&headers, REASON)?.unwrap_or_default(),
        at: timestamp(published.unix_timestamp_nanos())?,
    })
}

/// Returns the time that is this many nanoseconds after 1970.
pub(super) fn timestamp(nanoseconds: i128) -> Result<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds).map_err(|_| unreadable("timestamp"))
}

fn header<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>> {
    headers.get(name).map(|value| value.as_str().parse().map_err(|_| unreadable(name))).transpose()
}

fn unreadable(field: &'static str) -> Error {
    Error::unexpected("message in the queue cannot be decoded").with("field", field)
}
