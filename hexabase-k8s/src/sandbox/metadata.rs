//! Answers to whoever wants to know of objects only what every object has: their metadata
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>).

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::ACCEPT;
use serde_json::{Value, json};

use super::reply::Reply;

/// Whether a request wants nothing but metadata, of one object or of many.
pub(super) fn is_all_that_is_wanted(request: &http::Request<Bytes>) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("as=PartialObjectMetadata") && accepted.contains("g=meta.k8s.io")
}

/// The same answer with the metadata of every object alone.
pub(super) fn alone(reply: Reply) -> Reply {
    match reply {
        Reply::Json(code, mut answer) => match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                answer["kind"] = json!("PartialObjectMetadataList");
                answer["apiVersion"] = json!(VERSION);
                answer["items"] = items.into_iter().map(of).collect();
                Reply::Json(code, answer)
            }
            _ => Reply::Json(code, of(answer)),
        },
        Reply::Stream(events) => Reply::Stream(events.map(of_event).boxed()),
        text @ Reply::Text(_) => text,
    }
}

const VERSION: &str = "meta.k8s.io/v1";

fn of(mut object: Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": VERSION, "metadata": object["metadata"].take() })
}

/// What went wrong is told whole.
fn of_event(mut event: Value) -> Value {
    if event["type"] != "ERROR" {
        event["object"] = of(event["object"].take());
    }
    event
}
