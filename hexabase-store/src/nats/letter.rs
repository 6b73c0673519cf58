//! Messages as JetStream carries them: what there is to know is in headers, the payload is the payload.

use std::str::FromStr;
use std::time::Duration;

use async_nats::header::HeaderMap;
use async_nats::jetstream::Message;
use hexabase_core::changeset::{OutboxMessage, Topic};
use hexabase_core::error::{Error, Result};
use hexabase_core::queue::DeadLetter;
use jiff::Timestamp;

const ID: &str = "Hexabase-Id";
const TOPIC: &str = "Hexabase-Topic";
const ORGANIZATION: &str = "Hexabase-Organization";
const WORKSPACE: &str = "Hexabase-Workspace";
/// In milliseconds.
const DELAY: &str = "Hexabase-Delay";
const ATTEMPTS: &str = "Hexabase-Attempts";
const REASON: &str = "Hexabase-Reason";

/// What there is to know about a message.
pub(super) fn headers(message: &OutboxMessage, delay: Option<Duration>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ID, message.id.to_string().as_str());
    headers.insert(TOPIC, message.topic.as_str());
    headers.insert(ORGANIZATION, message.organization_id.to_string().as_str());
    if let Some(workspace) = message.workspace_id {
        headers.insert(WORKSPACE, workspace.to_string().as_str());
    }
    if let Some(delay) = delay {
        headers.insert(DELAY, delay.as_millis().max(1).to_string().as_str());
    }
    headers
}

/// Says why a message is a dead letter.
pub(super) fn explain(headers: &mut HeaderMap, attempts: u32, reason: &str) {
    headers.insert(ATTEMPTS, attempts.to_string().as_str());
    // A header is one line.
    headers.insert(REASON, reason.replace(['\r', '\n'], " ").as_str());
}

/// After how long a message is to be delivered, if not at once.
pub(super) fn delay(headers: &HeaderMap) -> Option<Duration> {
    headers.get(DELAY)?.as_str().parse().ok().map(Duration::from_millis)
}

/// Reads what [`headers`] wrote.
pub(super) fn read(headers: &HeaderMap, payload: &[u8]) -> Result<OutboxMessage> {
    let topic = headers.get(TOPIC).and_then(|topic| Topic::parse(topic.as_str()));
    Ok(OutboxMessage {
        id: header(headers, ID)?.ok_or_else(|| broken(ID))?,
        topic: topic.ok_or_else(|| broken(TOPIC))?,
        organization_id: header(headers, ORGANIZATION)?.ok_or_else(|| broken(ORGANIZATION))?,
        workspace_id: header(headers, WORKSPACE)?,
        payload: payload.to_vec(),
    })
}

/// Reads a dead letter.
pub(super) fn dead(message: &Message) -> Result<DeadLetter> {
    let headers = message.headers.clone().unwrap_or_default();
    let since_1970 = message.info().map(|info| info.published.unix_timestamp_nanos());
    let at = since_1970.ok().and_then(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).ok());
    Ok(DeadLetter {
        message: read(&headers, &message.payload)?,
        attempts: header(&headers, ATTEMPTS)?.ok_or_else(|| broken(ATTEMPTS))?,
        reason: header(&headers, REASON)?.unwrap_or_default(),
        at: at.ok_or_else(|| broken("timestamp"))?,
    })
}

fn header<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<Option<T>> {
    headers.get(name).map(|value| value.as_str().parse().map_err(|_| broken(name))).transpose()
}

fn broken(what: &'static str) -> Error {
    Error::unexpected("a message in the queue cannot be read").with("what", what)
}
