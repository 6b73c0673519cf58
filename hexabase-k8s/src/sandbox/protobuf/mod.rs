//! Request bodies in the Protobuf format of Kubernetes
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>), in which `kubectl` and other
//! clients in Go write built-in kinds. They are decoded to the JSON that the same client would have sent.

mod messages;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::response::{StatusError, StatusResult};
pub(super) use messages::openapi_schemas;
use messages::{Field, Mark, Type, message_of};

/// Media type of the format.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Prefix of every body in this format.
const MAGIC: &[u8] = b"k8s\0";

/// Decodes a body. Unknown kinds are an unsupported media type, for which clients can fall back to JSON.
pub(super) fn decode(body: &[u8]) -> StatusResult<Value> {
    let invalid =
        |message: &str| StatusError::bad_request(format!("the body is not valid Protobuf: {message}"));
    let envelope = body.strip_prefix(MAGIC).ok_or_else(|| invalid("the prefix is missing"))?;
    let (type_meta, raw) = split(envelope).map_err(|error| invalid(&error))?;
    let (api_version, kind) = split_text(type_meta).map_err(|error| invalid(&error))?;
    let Some(message) = message_of(&api_version, &kind) else {
        return Err(StatusError::unsupported_media_type(&format!(
            "{MEDIA_TYPE} for {kind} of {api_version}"
        )));
    };
    let mut object = Map::new();
    read_message(message, raw, &mut object).map_err(|error| invalid(&error))?;
    object.insert("apiVersion".to_owned(), json!(api_version));
    object.insert("kind".to_owned(), json!(kind));
    Ok(Value::Object(object))
}

type Decoded<T> = Result<T, String>;

/// Value on the wire.
enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn bytes(&self) -> Decoded<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) => Err("a field has another wire type than its kind".to_owned()),
        }
    }

    fn varint(&self) -> Decoded<u64> {
        match self {
            Self::Varint(number) => Ok(*number),
            Self::Bytes(_) => Err("a field has another wire type than its kind".to_owned()),
        }
    }

    fn text(&self) -> Decoded<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|error| error.to_string())
    }

    fn is_zero(&self) -> bool {
        matches!(self, Self::Varint(0) | Self::Bytes([]))
    }
}

/// Reads the next field. `None` at the end.
fn next<'a>(rest: &mut &'a [u8]) -> Decoded<Option<(u64, Wire<'a>)>> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = read_varint(rest)?;
    let value = match key & 7 {
        0 => Wire::Varint(read_varint(rest)?),
        2 => {
            let length = usize::try_from(read_varint(rest)?).map_err(|error| error.to_string())?;
            let bytes = rest.get(..length).ok_or("a field ends beyond its message")?;
            *rest = &rest[length..];
            Wire::Bytes(bytes)
        }
        other => return Err(format!("wire type {other} is not supported")),
    };
    Ok(Some((key >> 3, value)))
}

fn read_varint(rest: &mut &[u8]) -> Decoded<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, tail) = rest.split_first().ok_or("a number is incomplete")?;
        *rest = tail;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number is too long".to_owned())
}

/// Fields 1 and 2 of a message, both bytes; empty if missing.
fn split(message: &[u8]) -> Decoded<(&[u8], &[u8])> {
    let (mut rest, mut first, mut second) = (message, &[][..], &[][..]);
    while let Some((number, value)) = next(&mut rest)? {
        match number {
            1 => first = value.bytes()?,
            2 => second = value.bytes()?,
            _ => {}
        }
    }
    Ok((first, second))
}

fn split_text(message: &[u8]) -> Decoded<(String, String)> {
    let (first, second) = split(message)?;
    Ok((Wire::Bytes(first).text()?, Wire::Bytes(second).text()?))
}

fn read_message(fields: &[Field], message: &[u8], object: &mut Map<String, Value>) -> Decoded<()> {
    let mut rest = message;
    while let Some((number, value)) = next(&mut rest)? {
        let Some(field) = fields.iter().find(|field| field.number == number) else {
            // Clients in Go write most fields without a value, too.
            if value.is_zero() {
                continue;
            }
            return Err(format!("field {number} is unknown; the sandbox supports Kubernetes 1.36"));
        };
        read_field(field, &value, object)?;
    }
    Ok(())
}

fn read_field(field: &Field, value: &Wire<'_>, object: &mut Map<String, Value>) -> Decoded<()> {
    let name = || field.name.to_owned();
    match field.mark {
        Mark::Inline => read_message(field.kind.fields(), value.bytes()?, object)?,
        Mark::List => {
            let item = read_value(&field.kind, value)?;
            let list = object.entry(name()).or_insert_with(|| json!([]));
            list.as_array_mut().into_iter().for_each(|list| list.push(item.clone()));
        }
        Mark::Map => {
            let (mut rest, mut key, mut item) = (value.bytes()?, String::new(), None);
            while let Some((number, value)) = next(&mut rest)? {
                match number {
                    1 => key = value.text()?,
                    _ => item = Some(read_value(&field.kind, &value)?),
                }
            }
            let map = object.entry(name()).or_insert_with(|| json!({}));
            map[key.as_str()] = item.unwrap_or_default();
        }
        Mark::Plain if value.is_zero() && !matches!(field.kind, Type::Message(_)) => {}
        Mark::Plain | Mark::Optional | Mark::Present => {
            let read = read_value(&field.kind, value)?;
            if !read.is_null() {
                object.insert(name(), read);
            }
        }
    }
    Ok(())
}

fn read_value(kind: &Type, value: &Wire<'_>) -> Decoded<Value> {
    Ok(match kind {
        Type::String => json!(value.text()?),
        Type::Bytes => json!(STANDARD.encode(value.bytes()?)),
        Type::Bool => json!(value.varint()? != 0),
        // Negative numbers are written in two's complement.
        Type::Int => json!(value.varint()?.cast_signed()),
        Type::Message(_) => {
            let mut object = Map::new();
            read_message(kind.fields(), value.bytes()?, &mut object)?;
            Value::Object(object)
        }
        Type::Time => read_time(value.bytes()?)?,
        Type::Quantity => {
            let (text, _) = split(value.bytes()?)?;
            json!(Wire::Bytes(text).text()?)
        }
        Type::IntOrString => read_int_or_string(value.bytes()?)?,
        Type::Json => {
            let (raw, _) = split(value.bytes()?)?;
            serde_json::from_slice(raw).map_err(|error| error.to_string())?
        }
        Type::StringList => {
            let (mut rest, mut items) = (value.bytes()?, Vec::new());
            while let Some((_, item)) = next(&mut rest)? {
                items.push(item.text()?);
            }
            json!(items)
        }
    })
}

/// Reads seconds and nanoseconds; null if both are missing.
fn read_time(message: &[u8]) -> Decoded<Value> {
    let (mut rest, mut seconds, mut nanoseconds) = (message, 0, 0);
    while let Some((number, value)) = next(&mut rest)? {
        match number {
            1 => seconds = value.varint()?.cast_signed(),
            _ => {
                nanoseconds =
                    i32::try_from(value.varint()?.cast_signed()).map_err(|error| error.to_string())?
            }
        }
    }
    if message.is_empty() {
        return Ok(Value::Null);
    }
    Ok(json!(Timestamp::new(seconds, nanoseconds).map_err(|error| error.to_string())?.to_string()))
}

/// Reads a union of a number and a text; its first field is 1 for a text.
fn read_int_or_string(message: &[u8]) -> Decoded<Value> {
    let (mut rest, mut is_text, mut number, mut text) = (message, false, 0_i64, String::new());
    while let Some((field, value)) = next(&mut rest)? {
        match field {
            1 => is_text = value.varint()? == 1,
            2 => number = value.varint()?.cast_signed(),
            _ => text = value.text()?,
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        bytes.push(u8::try_from(number).unwrap());
        bytes
    }

    fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
        [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
    }

    fn int(number: u64, value: u64) -> Vec<u8> {
        [varint(number << 3), varint(value)].concat()
    }

    fn body(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &type_meta), bytes(2, message), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn all_kinds_of_fields_are_decoded() {
        let entry = |key: &[u8], value: &[u8]| [bytes(1, key), bytes(2, value)].concat();
        let metadata =
            [bytes(1, b"d"), bytes(2, b""), bytes(8, b""), bytes(11, &entry(b"app", b"web")), int(7, 0)]
                .concat();
        let requests = bytes(2, &entry(b"cpu", &bytes(1, b"100m")));
        let port = [bytes(1, b""), int(2, 0), int(3, 80), bytes(4, b"TCP"), bytes(5, b"")].concat();
        let probe = bytes(
            1,
            &bytes(
                2,
                &[bytes(1, b"/"), bytes(2, &[int(1, 1), int(2, 0), bytes(3, b"http")].concat())].concat(),
            ),
        );
        let container = [
            bytes(1, b"c"),
            bytes(2, b"nginx"),
            bytes(3, b"run"),
            bytes(3, b"it"),
            bytes(6, &port),
            bytes(8, &requests),
            bytes(10, &probe),
        ]
        .concat();
        let empty_dir = [bytes(1, b"v"), bytes(2, &bytes(2, b""))].concat();
        let pod = [bytes(1, &empty_dir), bytes(2, &container), bytes(3, b"Always")].concat();
        let template = [bytes(1, b""), bytes(2, &pod)].concat();
        let spec = [int(1, 0), bytes(3, &template), int(7, 0)].concat();
        let decoded =
            decode(&body("apps/v1", "Deployment", &[bytes(1, &metadata), bytes(2, &spec)].concat()));
        let expected = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "d", "labels": { "app": "web" } },
            "spec": {
                "replicas": 0,
                "template": {
                    "metadata": {},
                    "spec": {
                        "volumes": [{ "name": "v", "emptyDir": {} }],
                        "containers": [{
                            "name": "c",
                            "image": "nginx",
                            "command": ["run", "it"],
                            "ports": [{ "containerPort": 80, "protocol": "TCP" }],
                            "resources": { "requests": { "cpu": "100m" } },
                            "livenessProbe": { "httpGet": { "path": "/", "port": "http" } },
                        }],
                        "restartPolicy": "Always",
                    },
                },
            },
        });
        assert_eq!(decoded.unwrap(), expected);
    }

    #[test]
    fn bytes_times_lists_and_negative_numbers_are_decoded() {
        let entry = [bytes(1, b"k"), bytes(2, b"v")].concat();
        let secret =
            decode(&body("v1", "Secret", &[bytes(2, &entry), bytes(3, b"Opaque")].concat())).unwrap();
        assert_eq!((&secret["data"]["k"], &secret["type"]), (&json!("dg=="), &json!("Opaque")));
        let metadata = bytes(9, &[int(1, 1), int(2, 0)].concat());
        let pod = decode(&body("v1", "Pod", &bytes(1, &metadata))).unwrap();
        assert_eq!(pod["metadata"]["deletionTimestamp"], "1970-01-01T00:00:01Z");
        let extra = [bytes(1, b"scope"), bytes(2, &[bytes(1, b"a"), bytes(1, b"b")].concat())].concat();
        let spec = bytes(2, &bytes(5, &extra));
        let review = decode(&body("authorization.k8s.io/v1", "SubjectAccessReview", &spec)).unwrap();
        assert_eq!(review["spec"]["extra"]["scope"], json!(["a", "b"]));
        let class = decode(&body("scheduling.k8s.io/v1", "PriorityClass", &int(2, (-5_i64).cast_unsigned())));
        assert_eq!(class.unwrap()["value"], -5);
    }

    #[test]
    fn damaged_bodies_and_unknown_content_are_rejected() {
        let valid = body("v1", "ConfigMap", &bytes(1, &bytes(1, b"c")));
        assert_eq!(decode(&valid).unwrap()["metadata"]["name"], "c");
        // A body that ends after its type has an empty message, and the last two fields are empty.
        for length in (0..valid.len() - 4).filter(|length| *length != MAGIC.len() + 17) {
            assert!(decode(&valid[..length]).is_err(), "the first {length} bytes");
        }
        let unknown_field = body("v1", "ConfigMap", &bytes(99, b"x"));
        assert_eq!(decode(&unknown_field).unwrap_err().code, 400);
        assert!(decode(&body("v1", "ConfigMap", &bytes(99, b""))).is_ok(), "unknown fields without a value");
        assert_eq!(decode(&body("example.com/v1", "Widget", b"")).unwrap_err().code, 415);
    }
}
