//! Responses with the metadata of objects only
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches>).

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::ACCEPT;
use serde_json::{Value, json};

use super::response::ApiResponse;

/// `true` if a request accepts only metadata, of one object or of a list.
pub(super) fn is_requested(request: &http::Request<Bytes>) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("as=PartialObjectMetadata") && accepted.contains("g=meta.k8s.io")
}

/// Reduces a response to the metadata of its objects.
pub(super) fn reduce(response: ApiResponse) -> ApiResponse {
    match response {
        ApiResponse::Json(code, mut body) => match body.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                body["kind"] = json!("PartialObjectMetadataList");
                body["apiVersion"] = json!(VERSION);
                body["items"] = items.into_iter().map(partial).collect();
                ApiResponse::Json(code, body)
            }
            _ => ApiResponse::Json(code, partial(body)),
        },
        ApiResponse::Stream(events) => ApiResponse::Stream(events.map(partial_event).boxed()),
        text @ ApiResponse::Text(_) => text,
    }
}

const VERSION: &str = "meta.k8s.io/v1";

/// Reduces an object to its metadata.
pub(super) fn partial(mut object: Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": VERSION, "metadata": object["metadata"].take() })
}

/// Reduces the object of a watch event; error events stay complete.
fn partial_event(mut event: Value) -> Value {
    if event["type"] != "ERROR" {
        event["object"] = partial(event["object"].take());
    }
    event
}
