//! Responses as tables, as `kubectl get` prints them
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>).

use bytes::Bytes;
use futures_util::StreamExt as _;
use hexabase_core::clock::{Clock as _, SystemClock, until};
use http::header::ACCEPT;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::partial_metadata::partial;
use super::response::ApiResponse;

/// `true` if a request prefers a table.
pub(super) fn is_requested(request: &http::Request<Bytes>) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accepted.split(',').next().unwrap_or_default();
    first.contains("as=Table") && first.contains("g=meta.k8s.io")
}

/// Content of the field `object` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncludeObject {
    None,
    Metadata,
    Object,
}

impl IncludeObject {
    /// Parses the parameter `includeObject`.
    pub(super) fn parse(parameter: Option<&String>) -> Self {
        match parameter.map(String::as_str) {
            Some("None") => Self::None,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// Renders the objects of a kind in a response as rows of a table.
pub(super) fn render(response: ApiResponse, kind: &str, include: IncludeObject) -> ApiResponse {
    let columns = columns(kind);
    match response {
        ApiResponse::Json(code, body) => ApiResponse::Json(code, table(body, &columns, include)),
        ApiResponse::Stream(events) => {
            let mut is_first = true;
            let rendered = events.map(move |mut event| {
                if event["type"] != "ERROR" {
                    event["object"] = table(event["object"].take(), &columns, include);
                    // Clients keep the columns of the first event.
                    if !std::mem::take(&mut is_first) {
                        event["object"]["columnDefinitions"] = json!([]);
                    }
                }
                event
            });
            ApiResponse::Stream(rendered.boxed())
        }
        text @ ApiResponse::Text(_) => text,
    }
}

/// Column: name, priority (0 is shown without `-o wide`), and content.
type Column = (&'static str, u8, fn(&Value) -> Value);

fn table(mut body: Value, columns: &[Column], include: IncludeObject) -> Value {
    let metadata = body["metadata"].clone();
    let objects = match body.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![body],
    };
    let definition = |(name, priority, _): &Column| {
        let format = if *name == "Name" { "name" } else { "" };
        json!({ "name": name, "type": "string", "format": format, "description": "", "priority": priority })
    };
    let row = |object: Value| {
        let cells: Vec<Value> = columns.iter().map(|(_, _, cell)| cell(&object)).collect();
        let object = match include {
            IncludeObject::None => Value::Null,
            IncludeObject::Metadata => partial(object),
            IncludeObject::Object => object,
        };
        json!({ "cells": cells, "object": object })
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "continue": metadata["continue"],
            "remainingItemCount": metadata["remainingItemCount"],
        },
        "columnDefinitions": columns.iter().map(definition).collect::<Vec<_>>(),
        "rows": objects.into_iter().map(row).collect::<Vec<_>>(),
    })
}

const NAME: Column = ("Name", 0, |object| object["metadata"]["name"].clone());
const AGE: Column = ("Age", 0, |object| json!(age(&object["metadata"]["creationTimestamp"])));
const IMAGES: Column = ("Images", 1, |object| {
    let images = |list: &str| object.pointer(list).and_then(Value::as_array).into_iter().flatten();
    let images = images("/spec/template/spec/containers").chain(images("/spec/containers"));
    json!(images.filter_map(|container| container["image"].as_str()).collect::<Vec<_>>().join(","))
});

/// Columns of a kind; the name and the age for kinds that have no further ones here.
fn columns(kind: &str) -> Vec<Column> {
    let further: &[Column] = match kind {
        "Pod" => &[
            ("Ready", 0, |pod| {
                let statuses = || pod["status"]["containerStatuses"].as_array().into_iter().flatten();
                let ready = statuses().filter(|status| status["ready"] == true).count();
                json!(format!("{ready}/{}", length(&pod["spec"]["containers"])))
            }),
            ("Status", 0, |pod| pod["status"]["phase"].clone()),
            ("Restarts", 0, |pod| {
                let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
                json!(statuses.filter_map(|status| status["restartCount"].as_u64()).sum::<u64>())
            }),
            AGE,
            ("IP", 1, |pod| or_none(&pod["status"]["podIP"])),
            ("Node", 1, |pod| or_none(&pod["spec"]["nodeName"])),
        ],
        "Deployment" => &[
            READY,
            ("Up-to-date", 0, |object| count(&object["status"]["updatedReplicas"])),
            ("Available", 0, |object| count(&object["status"]["availableReplicas"])),
            AGE,
            IMAGES,
        ],
        "StatefulSet" => &[READY, AGE, IMAGES],
        "Service" => &[
            ("Type", 0, |service| service["spec"]["type"].clone()),
            ("Cluster-IP", 0, |service| or_none(&service["spec"]["clusterIP"])),
            ("External-IP", 0, |service| or_none(&service["status"]["loadBalancer"]["ingress"][0]["ip"])),
            ("Port(s)", 0, |service| {
                let ports = service["spec"]["ports"].as_array().into_iter().flatten();
                let port =
                    |port: &Value| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"));
                or_none(&json!(ports.map(port).collect::<Vec<_>>().join(",")))
            }),
            AGE,
        ],
        "ConfigMap" => {
            &[("Data", 0, |object| json!(length(&object["data"]) + length(&object["binaryData"]))), AGE]
        }
        "Secret" => &[
            ("Type", 0, |secret| secret["type"].clone()),
            ("Data", 0, |secret| json!(length(&secret["data"]))),
            AGE,
        ],
        "Namespace" | "PersistentVolume" => &[STATUS, AGE],
        "PersistentVolumeClaim" => &[
            STATUS,
            ("Volume", 0, |claim| claim["spec"]["volumeName"].clone()),
            ("Capacity", 0, |claim| claim["status"]["capacity"]["storage"].clone()),
            ("StorageClass", 0, |claim| claim["spec"]["storageClassName"].clone()),
            AGE,
        ],
        "RoleBinding" | "ClusterRoleBinding" => &[
            ("Role", 0, |binding| {
                let text = |field: &str| binding["roleRef"][field].as_str().unwrap_or_default();
                json!(format!("{}/{}", text("kind"), text("name")))
            }),
            AGE,
        ],
        "CronJob" => &[("Schedule", 0, |job| job["spec"]["schedule"].clone()), AGE],
        "Event" => &[
            ("Last Seen", 0, |event| json!(age(&event["metadata"]["creationTimestamp"]))),
            ("Type", 0, |event| event["type"].clone()),
            ("Reason", 0, |event| event["reason"].clone()),
            ("Message", 0, |event| event["message"].clone()),
        ],
        _ => &[AGE],
    };
    [&[NAME], further].concat()
}

const STATUS: Column = ("Status", 0, |object| object["status"]["phase"].clone());
const READY: Column = ("Ready", 0, |object| {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    json!(format!("{}/{}", count(&object["status"]["readyReplicas"]), count(&object["spec"]["replicas"])))
});

fn length(value: &Value) -> usize {
    value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len)
}

fn count(value: &Value) -> Value {
    json!(value.as_u64().unwrap_or(0))
}

fn or_none(value: &Value) -> Value {
    match value.as_str().unwrap_or_default() {
        "" => json!("<none>"),
        text => json!(text),
    }
}

/// Time since a timestamp.
fn age(created: &Value) -> String {
    let created = created.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    created.map_or("<unknown>".to_owned(), |created| duration(until(created, SystemClock.now()).as_secs()))
}

/// Duration in at most two units, as `kubectl` prints it.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: char, small: u64, small_unit: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_at_most_two_units() {
        for (seconds, expected) in [
            (5, "5s"),
            (119, "119s"),
            (125, "2m5s"),
            (900, "15m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (176_400, "2d1h"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn objects_are_rendered_as_rows() {
        let pod = json!({
            "metadata": { "name": "p", "creationTimestamp": null },
            "spec": { "containers": [{ "name": "a" }, { "name": "b" }] },
            "status": { "phase": "Running", "containerStatuses": [{ "ready": true, "restartCount": 2 }] },
        });
        let list = json!({ "metadata": { "resourceVersion": "7" }, "items": [pod] });
        let rendered = table(list, &columns("Pod"), IncludeObject::Metadata);
        assert_eq!(rendered["metadata"]["resourceVersion"], "7");
        let expected = json!(["p", "1/2", "Running", 2, "<unknown>", "<none>", "<none>"]);
        assert_eq!(rendered["rows"][0]["cells"], expected);
        assert_eq!(rendered["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(rendered["columnDefinitions"].as_array().unwrap().len(), 7);
    }
}
