use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::texts::sources;
use super::*;

#[test]
fn the_language_is_negotiated_in_the_order_of_preference_cookie_and_header() {
    use Language::{English, Japanese, Pseudo};
    for (preference, cookie, header, expected) in [
        (None, None, None, English),
        (None, None, Some("ja"), Japanese),
        (None, None, Some("ja-JP,ja;q=0.9,en;q=0.8"), Japanese),
        (None, None, Some("en;q=0.8, JA ; q=0.9"), Japanese),
        (None, None, Some("de, fr;q=0.9, ja;q=0.1"), Japanese),
        (None, None, Some("de,*;q=0.5,ja;q=0.4"), English),
        (None, None, Some("ja;q=0"), English),
        (None, None, Some("ja;q=1.001, en;q=0.1"), English),
        (None, None, Some("ja;q=0.1234, en;q=0.1"), English),
        (None, None, Some("ja;level=1"), English),
        (None, None, Some(",,;,=;q"), English),
        (None, None, Some("en-XA"), English),
        (None, Some("en-XA"), Some("ja"), Pseudo),
        (None, Some("ja"), Some("en"), Japanese),
        (None, Some("de"), Some("ja"), Japanese),
        (None, Some("en"), Some("ja"), English),
        (Some(Japanese), Some("en"), Some("en"), Japanese),
    ] {
        let language = Language::negotiate(preference, cookie, header);
        assert_eq!(language, expected, "{preference:?} {cookie:?} {header:?}");
    }
}

#[test]
fn a_header_is_read_up_to_its_bounds() {
    let ranges = |count: usize| "de,".repeat(count) + "ja";
    assert_eq!(Language::negotiate(None, None, Some(&ranges(15))), Language::Japanese);
    assert_eq!(Language::negotiate(None, None, Some(&ranges(16))), Language::English);
    let long = format!("{},ja", "x".repeat(MAX_HEADER_LENGTH));
    assert_eq!(Language::negotiate(None, None, Some(&long)), Language::English);
    // A character that the bound cuts makes the header unreadable, and nothing panics.
    let cut = format!("{}é,ja", "x".repeat(MAX_HEADER_LENGTH - 1));
    assert_eq!(Language::negotiate(None, None, Some(&cut)), Language::English);
}

#[test]
fn numbers_are_grouped_and_select_the_plural() {
    let members =
        |language, count: u64| Texts::new(language).text_with("count-members", &[("count", count.into())]);
    assert_eq!(members(Language::English, 1), "1 member");
    assert_eq!(members(Language::English, 12_345), "12,345 members");
    assert_eq!(members(Language::Japanese, 12_345), "12,345 人");
}

#[test]
fn values_do_not_change_the_direction_of_their_sentence() {
    let texts = Texts::new(Language::English);
    let delete = |name: &str| texts.text_with("danger-type-name", &[("name", name.into())]);
    assert_eq!(delete("acme"), "Type acme to confirm");
    assert_eq!(delete("日本"), "Type 日本 to confirm");
    assert_eq!(delete("a\u{202e}b\u{2069}"), "Type a\u{fffd}b\u{fffd} to confirm");
    assert_eq!(delete("שלום"), "Type \u{2068}שלום\u{2069} to confirm");
}

#[test]
fn the_pseudo_locale_accents_texts_and_marks_values() {
    let text = Texts::new(Language::Pseudo).text_with("danger-type-name", &[("name", "acme".into())]);
    assert_eq!(text, "⟦Ţýþé ⟨acme⟩ ţó çóñƒíŕɱ⟧");
}

#[test]
fn an_unknown_key_is_its_own_text() {
    assert_eq!(Texts::new(Language::English).text("no-such-key"), "no-such-key");
}

/// Messages of a language with their variables.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    for (file, source) in sources(language) {
        if let Err((_, errors)) = fluent_bundle::FluentResource::try_new((*source).to_owned()) {
            panic!("{file}: {errors:?}");
        }
        let mut key = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with([' ', '}'])) {
                name.trim().clone_into(&mut key);
                let earlier = messages.insert(key.clone(), BTreeSet::new());
                assert!(earlier.is_none(), "{file}: {key} occurs twice");
            }
            let variables = messages.get_mut(&key);
            let Some(variables) = variables else { continue };
            for rest in line.split('$').skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                variables.insert(rest[..end].to_owned());
            }
        }
    }
    messages
}

#[test]
fn each_key_has_the_same_variables_in_each_language() {
    let english = messages(Language::English);
    let japanese = messages(Language::Japanese);
    for (key, variables) in &english {
        assert_eq!(japanese.get(key), Some(variables), "{key} in Japanese");
    }
    let keys = |messages: &BTreeMap<String, _>| messages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&english), keys(&japanese));
}

/// Rust sources of this crate without its tests, as one text.
fn code() -> String {
    fn read(directory: &Path, code: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                read(&path, code);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                code.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut code = String::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    code
}

/// Keys of `text("…")` and `text_with("…", &[("…", …)])` in the code, with the variables of the latter.
fn used_keys(code: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut used = BTreeMap::<String, BTreeSet<String>>::new();
    for (call, has_variables) in [("text(", false), ("text_with(", true)] {
        for (start, _) in code.match_indices(call) {
            let arguments = code[start + call.len()..].trim_start();
            let Some((key, rest)) = arguments.strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
                continue;
            };
            let variables = used.entry(key.to_owned()).or_default();
            if has_variables {
                let list = rest.find("&[").map_or("", |start| &rest[start..]);
                let list = &list[..closing_bracket(list)];
                variables.extend(
                    list.split("(\"").skip(1).filter_map(|part| Some(part.split_once('"')?.0.to_owned())),
                );
            }
        }
    }
    used
}

fn closing_bracket(list: &str) -> usize {
    let mut depth = 0_i32;
    for (index, c) in list.char_indices() {
        depth += i32::from(c == '[') - i32::from(c == ']');
        if depth == 0 && index > 1 {
            return index;
        }
    }
    list.len()
}

#[test]
fn each_key_in_the_code_has_a_text_with_the_variables_that_it_gets() {
    let english = messages(Language::English);
    for (key, variables) in used_keys(&code()) {
        assert_eq!(english.get(&key), Some(&variables), "{key}");
    }
}

#[test]
fn each_text_is_used_by_the_code() {
    let code = code();
    let unused: Vec<_> =
        messages(Language::English).into_keys().filter(|key| !code.contains(&format!("\"{key}\""))).collect();
    assert!(unused.is_empty(), "{unused:?}");
}
