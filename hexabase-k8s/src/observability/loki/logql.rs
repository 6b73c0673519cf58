//! Queries in LogQL (<https://grafana.com/docs/loki/latest/query/log_queries/>). Callers choose values only.

use std::fmt::Write as _;

use hexabase_core::logs::LogQuery;
use hexabase_core::name::ProjectName;

/// Label with the namespace on the host.
pub(super) const NAMESPACE: &str = "namespace";
/// Label with the namespace in the tenant cluster, which only synced pods have: those of the control plane do not.
pub(super) const TENANT_NAMESPACE: &str = "vcluster_namespace";
/// Label with the container.
pub(super) const CONTAINER: &str = "container";
/// Structured metadata with the name of the pod in the tenant cluster.
pub(super) const POD: &str = "pod";

/// Returns the expression that selects the lines of a query.
pub(super) fn expression(query: &LogQuery) -> String {
    let mut text = format!("{{{NAMESPACE}={}", quoted(&query.target.name));
    match query.project.as_ref().map(ProjectName::as_str) {
        Some(project) => push(&mut text, &format!(",{TENANT_NAMESPACE}="), project),
        None => push(&mut text, &format!(",{TENANT_NAMESPACE}!="), ""),
    }
    if let Some(container) = &query.container {
        push(&mut text, &format!(",{CONTAINER}="), container);
    }
    text.push('}');
    if let Some(filter) = &query.filter {
        push(&mut text, if filter.is_expression() { " |~ " } else { " |= " }, filter.as_str());
    }
    if let Some(pod) = &query.pod {
        push(&mut text, &format!(" | {POD}="), pod);
    }
    text
}

fn push(text: &mut String, operator: &str, value: &str) {
    text.push_str(operator);
    text.push_str(&quoted(value));
}

/// Returns a text as an interpreted string literal of Go, in ASCII (<https://go.dev/ref/spec#String_literals>).
fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for letter in text.chars() {
        match (letter, u32::from(letter)) {
            ('"' | '\\', _) => literal.extend(['\\', letter]),
            (' '..='~', _) => literal.push(letter),
            (_, code @ 0..=0xffff) => _ = write!(literal, "\\u{code:04x}"),
            (_, code) => _ = write!(literal, "\\U{code:08x}"),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use hexabase_core::desired::TenantTarget;
    use hexabase_core::fixture::id;
    use hexabase_core::logs::{Direction, TextFilter};
    use jiff::Timestamp;
    use proptest::prelude::{any, proptest};

    use super::*;

    /// Reads a literal as Go does, and returns its value and the rest of the text.
    fn unquote(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix('"')?;
        let mut value = String::new();
        loop {
            let letter = rest.chars().next()?;
            rest = &rest[letter.len_utf8()..];
            let digits = match letter {
                '"' => return Some((value, rest)),
                '\\' => {
                    let escape = rest.chars().next()?;
                    rest = &rest[escape.len_utf8()..];
                    match escape {
                        'u' => 4,
                        'U' => 8,
                        '"' | '\\' => {
                            value.push(escape);
                            continue;
                        }
                        _ => return None,
                    }
                }
                '\n' => return None,
                letter => {
                    value.push(letter);
                    continue;
                }
            };
            value.push(char::from_u32(u32::from_str_radix(rest.get(..digits)?, 16).ok()?)?);
            rest = &rest[digits..];
        }
    }

    proptest! {
        #[test]
        fn a_literal_has_the_value_of_the_text_and_ends_where_it_ends(text in any::<String>(), rest in any::<String>()) {
            let literal = quoted(&text);
            assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{literal}");
            let followed = format!("{literal}{rest}");
            assert_eq!(unquote(&followed), Some((text, rest.as_str())));
        }
    }

    #[test]
    fn special_characters_are_escaped() {
        for (text, literal) in [
            ("", r#""""#),
            ("a b~", r#""a b~""#),
            ("\"} or {namespace=~\".+", r#""\"} or {namespace=~\".+""#),
            ("\\\"", r#""\\\"""#),
            ("`\n\0\u{7f}", r#""`\u000a\u0000\u007f""#),
            ("é\u{feff}😀", r#""\u00e9\ufeff\U0001f600""#),
        ] {
            assert_eq!(quoted(text), literal);
        }
    }

    #[test]
    fn every_expression_selects_synced_pods_of_the_tenant_first() {
        let target = TenantTarget::by_id(id("acme"), id("dev"));
        let name = target.name.clone();
        let all = LogQuery {
            target,
            project: None,
            pod: None,
            container: None,
            filter: None,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            limit: 1,
            direction: Direction::Forward,
        };
        assert_eq!(expression(&all), format!(r#"{{namespace="{name}",vcluster_namespace!=""}}"#));
        let narrow = LogQuery {
            project: Some(ProjectName::parse("shop").unwrap()),
            pod: Some("web-0".to_owned()),
            container: Some("app".to_owned()),
            filter: TextFilter::parse("a\"b", false).unwrap(),
            ..all
        };
        let selector = format!(r#"{{namespace="{name}",vcluster_namespace="shop",container="app"}}"#);
        assert_eq!(expression(&narrow), format!(r#"{selector} |= "a\"b" | pod="web-0""#));
        let matching = LogQuery { filter: TextFilter::parse("a\\d", true).unwrap(), pod: None, ..narrow };
        assert_eq!(expression(&matching), format!(r#"{selector} |~ "a\\d""#));
    }
}
