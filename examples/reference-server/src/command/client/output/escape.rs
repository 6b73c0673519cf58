//! Escaping of characters that could change what a terminal shows: names come from other users.

use std::fmt::Write as _;

/// `true` for control characters, and for invisible characters that reorder or hide text (Unicode Technical Report 36,
/// section 2.1). The joiners U+200C and U+200D stay, since scripts and emoji need them.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns a text with unsafe characters as `\u{…}`, in one line.
pub(in crate::command) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_unsafe(letter) {
            true => escaped.extend(letter.escape_unicode()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// Returns JSON with unsafe characters as `\uXXXX`. Line breaks are those between tokens, since strings have none.
pub(in crate::command) fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter == '\n' || !is_unsafe(letter) {
            escaped.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Returns YAML with unsafe characters replaced by U+FFFD. Those that YAML requires to be escaped are escaped already;
/// outside of quoted scalars there is no escape for the others.
pub(super) fn escape_yaml(text: &str) -> String {
    let safe = |letter: char| if letter != '\n' && is_unsafe(letter) { '\u{fffd}' } else { letter };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{9b}31m\u{202e}b\u{e0041}\u{7f}é👩\u{200d}💻";

    #[test]
    fn no_unsafe_character_reaches_the_terminal() {
        let value = json!({ "name": HOSTILE });
        let yaml = escape_yaml(&serde_saphyr::to_string(&value).unwrap());
        let json = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        for text in [escape(HOSTILE), json.clone(), yaml.clone()] {
            assert!(!text.chars().any(|letter| letter != '\n' && is_unsafe(letter)), "{text:?}");
            assert!(text.contains("é👩\u{200d}💻"), "{text}");
        }
        assert!(!escape(HOSTILE).contains('\n'));
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "JSON keeps its meaning");
        assert_eq!(yaml.lines().count(), 1, "{yaml}");
    }
}
