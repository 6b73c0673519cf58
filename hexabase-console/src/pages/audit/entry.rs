//! Content of an audit entry: what it changed, and where it came from.

use hexabase_core::model::AuditEvent;
use maud::{Markup, html};
use serde_json::Value;

use crate::components::{Change, changes, facts, id, name};
use crate::language::Texts;
use crate::pages::device::device_text;

/// Maximum number of changed values of an entry that are shown.
const MAX_CHANGES: usize = 20;
/// Maximum length of a value, in characters.
const MAX_VALUE: usize = 300;
/// Maximum length of a new or deleted object, in characters.
const MAX_OBJECT: usize = 2_000;
/// Members that every change concerns.
const COMMON: [&str; 2] = ["version", "updated_at"];

/// Changed values, and the origin of a change, folded up.
pub(super) fn details(texts: Texts, event: &AuditEvent) -> Markup {
    let origin = &event.origin;
    let mut about = vec![
        (texts.text("audit-object"), id(&texts, &event.resource)),
        (texts.text("session-device-title"), html! { (name(&device_text(texts, &origin.device))) }),
        (texts.text("audit-request"), html! { code { (origin.request_id) } }),
    ];
    about.extend(origin.address.as_ref().map(|address| (texts.text("session-address"), html! { (address) })));
    let actor = &event.actor;
    about.extend(actor.token_id.map(|token| (texts.text("audit-token"), id(&texts, &token.to_string()))));
    about.extend(
        actor.session_id.map(|session| (texts.text("audit-session"), id(&texts, &session.to_string()))),
    );
    html! {
        details {
            summary { (texts.text("audit-details")) }
            (changed(texts, &event.before, &event.after))
            (facts(&about))
        }
    }
}

/// Object that was created or deleted, or the values that changed.
fn changed(texts: Texts, before: &Value, after: &Value) -> Markup {
    let (label, object) = match (before, after) {
        (Value::Null, Value::Null) => return html! {},
        (Value::Null, object) => (texts.text("diff-added"), object),
        (object, Value::Null) => (texts.text("diff-removed"), object),
        _ => {
            let all = differences(&texts.text("audit-value"), before, after);
            let shown = &all[..all.len().min(MAX_CHANGES)];
            return html! {
                (changes(&texts, shown))
                @if all.len() > shown.len() {
                    p class="note" { (texts.text_with("audit-more", &[("count", (all.len() - shown.len()).into())])) }
                }
            };
        }
    };
    let json = serde_json::to_string_pretty(object).unwrap_or_default();
    html! {
        p { (label) }
        div class="scroll" tabindex="0" role="group" aria-label=(label) { pre { code { (shortened(&json, MAX_OBJECT)) } } }
    }
}

/// Returns the values that differ, by the names of the members.
fn differences(value_label: &str, before: &Value, after: &Value) -> Vec<Change> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        let (before, after) = (Some(text(before)), Some(text(after)));
        return vec![Change { label: value_label.to_owned(), before, after }];
    };
    let added = new.keys().filter(|key| !old.contains_key(*key));
    let names = old.keys().chain(added).filter(|name| !COMMON.contains(&name.as_str()));
    let differing = names.filter(|name| old.get(*name) != new.get(*name));
    let value = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(text);
    differing
        .map(|name| Change { label: name.clone(), before: value(old.get(name)), after: value(new.get(name)) })
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => shortened(text, MAX_VALUE),
        other => shortened(&other.to_string(), MAX_VALUE),
    }
}

fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::Language;

    #[test]
    fn changed_values_are_named_with_what_they_were() {
        let before =
            json!({ "name": "web", "role": null, "version": 1, "quota": { "cpu": "1" }, "gone": true });
        let after =
            json!({ "name": "web", "role": "admin", "version": 2, "quota": { "cpu": "2" }, "new": 1 });
        let found: Vec<_> = differences("value", &before, &after)
            .into_iter()
            .map(|change| (change.label, change.before.unwrap_or_default(), change.after.unwrap_or_default()))
            .collect();
        let mut expected = [
            ("role", "", "admin"),
            ("quota", r#"{"cpu":"1"}"#, r#"{"cpu":"2"}"#),
            ("gone", "true", ""),
            ("new", "", "1"),
        ]
        .map(|(name, old, new)| (name.to_owned(), old.to_owned(), new.to_owned()));
        let mut found_sorted = found;
        found_sorted.sort();
        expected.sort();
        assert_eq!(found_sorted, expected);
        assert_eq!(differences("value", &json!("failed"), &json!("pending"))[0].label, "value");
    }

    #[test]
    fn long_and_hostile_values_are_shortened_text() {
        let texts = Texts::new(Language::English);
        let hostile = json!({ "name": format!("<script>{}", "あ".repeat(5_000)) });
        let created = changed(texts, &Value::Null, &hostile).into_string();
        assert!(created.contains("&lt;script&gt;") && created.ends_with("…</code></pre></div>"), "{created}");
        assert!(created.chars().count() < 2_300, "{created}");
        let many: Value = (0..50).map(|index| (format!("member-{index:02}"), json!(index))).collect();
        let page = changed(texts, &json!({}), &many).into_string();
        assert_eq!(page.matches("<ins>").count(), MAX_CHANGES);
        assert!(page.contains("30 further values"), "{page}");
        assert_eq!(changed(texts, &Value::Null, &Value::Null).into_string(), "");
    }
}
