//! Columns of tables, and the text of the values of the API.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::escape::escape;

/// Form of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text of the value.
    Text,
    /// Id, which is never shortened.
    Id,
    /// Time, as its distance from now.
    Age,
    /// Phase or state, with a colour.
    State,
}

/// Column of a table.
#[derive(Debug, Clone, Copy)]
pub(in crate::command) struct Column {
    /// Title, in upper case.
    header: &'static str,
    /// Path of the value in the object, with `.` between names.
    path: &'static str,
    form: Form,
    /// `true` if only wide tables have the column.
    is_wide: bool,
}

/// Content of a cell, escaped for terminals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// Meaning of the colour of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Pending,
}

impl Column {
    const fn new(header: &'static str, path: &'static str, form: Form) -> Self {
        Self { header, path, form, is_wide: false }
    }

    /// Returns a column of texts, numbers or lists.
    pub(in crate::command) const fn text(header: &'static str, path: &'static str) -> Self {
        Self::new(header, path, Form::Text)
    }

    /// Returns a column of ids. The first one is the id of the object.
    pub(in crate::command) const fn id(header: &'static str, path: &'static str) -> Self {
        Self::new(header, path, Form::Id)
    }

    /// Returns a column of times.
    pub(in crate::command) const fn age(header: &'static str, path: &'static str) -> Self {
        Self::new(header, path, Form::Age)
    }

    /// Returns a column of phases or states.
    pub(in crate::command) const fn state(header: &'static str, path: &'static str) -> Self {
        Self::new(header, path, Form::State)
    }

    /// Shows the column in wide tables only.
    #[must_use]
    pub(in crate::command) const fn wide(self) -> Self {
        Self { is_wide: true, ..self }
    }

    pub(super) const fn header(&self) -> &'static str {
        self.header
    }

    /// Returns the path of the values.
    #[cfg(test)]
    pub(in crate::command) const fn path(&self) -> &'static str {
        self.path
    }

    pub(super) const fn is_wide(&self) -> bool {
        self.is_wide
    }

    /// `true` if the values may be shortened.
    pub(super) fn may_shorten(&self) -> bool {
        self.form == Form::Text
    }

    /// Returns the cell of an object. Wide tables have times instead of ages.
    pub(super) fn cell(&self, object: &Value, now: Timestamp, is_wide: bool) -> Cell {
        let value = field(object, self.path);
        let text = match (self.form, value.as_str().and_then(|text| text.parse::<Timestamp>().ok())) {
            (Form::Age, Some(time)) if !is_wide => age(time, now),
            _ => text_of(value),
        };
        let tone = if self.form == Form::State { tone(&text) } else { Tone::Plain };
        Cell { text: escape(&text), tone }
    }
}

/// Returns the value at a path with `.` between names; null if there is none.
pub(in super::super) fn field<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').try_fold(object, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

/// Returns the id of an object: the value of its first column of ids, or else of its first column.
pub(super) fn identify(columns: &[Column], object: &Value) -> String {
    let column = columns.iter().find(|column| column.form == Form::Id).or_else(|| columns.first());
    column.map(|column| text_of(field(object, column.path))).unwrap_or_default()
}

/// Returns a value as the text of a cell; `-` for null and empty values.
pub(in super::super) fn text_of(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(values) if values.iter().any(|value| value.get("verbs").is_some()) => {
            values.iter().map(text_of).collect::<Vec<_>>().join("; ")
        }
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Object(fields) => match (fields.get("amount"), fields.get("currency")) {
            (Some(Value::Number(amount)), Some(Value::String(currency))) => money(amount, currency),
            _ if fields.contains_key("verbs") => rule(value),
            _ => {
                let pairs = fields.iter().map(|(name, value)| format!("{name}={}", text_of(value)));
                pairs.collect::<Vec<_>>().join(",")
            }
        },
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Returns a rule of a role as the option `--rule` has it.
fn rule(rule: &Value) -> String {
    let group = rule.get("api_groups").map(text_of).filter(|group| group != "-");
    let suffix = group.map(|group| format!(".{group}")).unwrap_or_default();
    let resources = field(rule, "resources").as_array().into_iter().flatten();
    let resources: Vec<String> = resources.map(|resource| format!("{}{suffix}", text_of(resource))).collect();
    format!("{}:{}", text_of(field(rule, "verbs")), resources.join(","))
}

/// Returns an amount in minor units with its currency.
fn money(amount: &serde_json::Number, currency: &str) -> String {
    let Some(amount) = amount.as_i64() else { return format!("{amount} {currency}") };
    let (sign, absolute) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    match ZERO_DECIMAL_CURRENCIES.contains(&currency.to_ascii_lowercase().as_str()) {
        true => format!("{sign}{absolute} {currency}"),
        false => format!("{sign}{}.{:02} {currency}", absolute / 100, absolute % 100),
    }
}

/// Currencies without minor units (<https://docs.stripe.com/currencies#zero-decimal>).
const ZERO_DECIMAL_CURRENCIES: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];

/// Returns the distance of a time from now, such as `5m` or `in 3d`.
fn age(time: Timestamp, now: Timestamp) -> String {
    let distance: SignedDuration = now.duration_since(time);
    let seconds = distance.as_secs().unsigned_abs();
    let text = match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    };
    if distance.is_negative() && seconds > 0 { format!("in {text}") } else { text }
}

fn tone(state: &str) -> Tone {
    match state {
        "ready" | "succeeded" | "active" | "good" | "paid" | "True" | "done" | "ok" | "trialing" => {
            Tone::Good
        }
        "failed" | "degraded" | "suspended" | "unpaid" | "uncollectible" | "critical" | "past_due" => {
            Tone::Bad
        }
        "-" | "-1" | "void" | "superseded" | "False" | "info" => Tone::Plain,
        _ => Tone::Pending,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_text() {
        for (value, expected) in [
            (json!(null), "-"),
            (json!(""), "-"),
            (json!([]), "-"),
            (json!("a"), "a"),
            (json!(["a", 1]), "a,1"),
            (json!({ "cpu": "2", "memory": "4Gi" }), "cpu=2,memory=4Gi"),
            (json!({ "amount": 4900, "currency": "usd" }), "49.00 usd"),
            (json!({ "amount": -5, "currency": "eur" }), "-0.05 eur"),
            (json!({ "amount": 4900, "currency": "jpy" }), "4900 jpy"),
            (json!(true), "true"),
            (
                json!([{ "verbs": ["get", "list"], "api_groups": [""], "resources": ["pods"] },
                    { "verbs": ["get"], "api_groups": ["apps"], "resources": ["deployments", "replicasets"] }]),
                "get,list:pods; get:deployments.apps,replicasets.apps",
            ),
        ] {
            assert_eq!(text_of(&value), expected, "{value}");
        }
        assert_eq!(field(&json!({ "user": { "id": 1 } }), "user.id"), &json!(1));
        assert_eq!(field(&json!({ "user": null }), "user.id"), &Value::Null);
    }

    #[test]
    fn times_are_shown_as_ages_and_in_wide_tables_as_times() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let column = Column::age("AGE", "at");
        for (at, expected) in [
            ("2026-11-30T11:59:30Z", "30s"),
            ("2026-11-30T11:00:00Z", "60m"),
            ("2026-11-29T13:00:00Z", "23h"),
            ("2026-11-01T12:00:00Z", "29d"),
            ("2026-12-07T12:00:00Z", "in 7d"),
        ] {
            let object = json!({ "at": at });
            assert_eq!(column.cell(&object, now, false).text, expected);
            assert_eq!(column.cell(&object, now, true).text, at);
        }
    }
}
