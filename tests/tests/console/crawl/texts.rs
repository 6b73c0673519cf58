//! Texts of pages in the pseudo-locale that come from no translation.

use scraper::{ElementRef, Html, Node};

/// Attributes whose values people read or hear.
const ATTRIBUTES: [&str; 16] = [
    "alt",
    "aria-description",
    "aria-label",
    "aria-roledescription",
    "aria-valuetext",
    "data-busy",
    "data-close",
    "data-copied",
    "data-following",
    "data-label",
    "data-log-new",
    "data-lost",
    "data-palette",
    "data-paused",
    "placeholder",
    "title",
];
/// Elements whose text is of no language.
const CODE: [&str; 7] = ["code", "kbd", "noscript", "pre", "samp", "script", "style"];
/// Elements that cannot have markup around names in them, or whose content is a name or a text.
const MIXED: [&str; 4] = ["bdi", "h2", "option", "title"];
/// Units behind numbers.
const UNITS: [&str; 14] =
    ["", "B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "B/s", "Ki/s", "Mi/s", "Gi/s", "/s", "m"];

/// Text of a page with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Untranslated {
    /// Element, with the attribute if the text is its value.
    pub place: String,
    /// Text.
    pub text: String,
}

/// Returns the texts of a page in the pseudo-locale that are not translated, other than data that is marked as such.
/// `names` are those of the objects on the page, for places without markup.
pub(super) fn untranslated(page: &str, names: &[&str]) -> Vec<Untranslated> {
    let html = Html::parse_document(page);
    let root = html.root_element();
    let language = root.attr("lang").unwrap_or_default();
    let mut found = Vec::new();
    read(root, language, names, &mut found);
    found
}

fn read(element: ElementRef<'_>, language: &str, names: &[&str], found: &mut Vec<Untranslated>) {
    let tag = element.value().name();
    let is_other_language = element.attr("lang").is_some_and(|own| own != language);
    if CODE.contains(&tag) || is_other_language {
        return;
    }
    for name in ATTRIBUTES {
        let value = element.attr(name).unwrap_or_default();
        if !is_translated(value, names, &|text| is_data(text, names)) {
            found.push(Untranslated { place: format!("{tag} {name}"), text: value.to_owned() });
        }
    }
    if element.attr("translate") == Some("no") {
        return;
    }
    for child in element.children() {
        match child.value() {
            Node::Text(text) => {
                let around = if MIXED.contains(&tag) { names } else { &[] };
                if !is_translated(text, names, &|text| is_data(text, around)) {
                    found.push(Untranslated { place: tag.to_owned(), text: text.trim().to_owned() });
                }
            }
            Node::Element(_) => {
                if let Some(child) = ElementRef::wrap(child) {
                    read(child, language, names, found);
                }
            }
            _ => {}
        }
    }
}

/// `true` if a text consists of messages of the pseudo-locale, whose values are `names` and other data, and of texts
/// between them that are `fine`.
fn is_translated(text: &str, names: &[&str], fine: &dyn Fn(&str) -> bool) -> bool {
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('⟦') {
        let Some(end) = closing(from, '⟦', '⟧') else { return false };
        let (message, after) = from.split_at(end);
        if !fine(before) || !values_are_translated(message, names) {
            return false;
        }
        rest = &after['⟧'.len_utf8()..];
    }
    fine(rest)
}

/// `true` if the values in a message are data or messages.
fn values_are_translated(message: &str, names: &[&str]) -> bool {
    // A single word can be data of any kind, such as the name of a resource of Kubernetes.
    let is_value = |value: &str| !value.trim().contains(char::is_whitespace) || is_data(value, names);
    let mut rest = message;
    while let Some((_, from)) = rest.split_once('⟨') {
        let Some(end) = closing(from, '⟨', '⟩') else { return false };
        let (value, after) = from.split_at(end);
        if !is_translated(value, names, &is_value) {
            return false;
        }
        rest = &after['⟩'.len_utf8()..];
    }
    true
}

/// Returns the position of the bracket that closes the one before a text.
fn closing(text: &str, opening: char, closing: char) -> Option<usize> {
    let mut depth = 1_i32;
    text.char_indices().find_map(|(index, letter)| {
        depth += i32::from(letter == opening) - i32::from(letter == closing);
        (depth == 0).then_some(index)
    })
}

/// `true` if a text has no words but names, addresses and amounts.
fn is_data(text: &str, names: &[&str]) -> bool {
    let text = names
        .iter()
        .filter(|name| name.contains(' '))
        .fold(text.to_owned(), |text, name| text.replace(name, ""));
    text.split([' ', '\u{a0}', ',', '(', ')', ':']).all(|word| is_datum(word, names))
}

fn is_datum(word: &str, names: &[&str]) -> bool {
    !word.chars().any(|letter| letter.is_ascii_alphabetic())
        || names.contains(&word)
        || is_amount(word)
        || word.contains('@')
        || word.split_once('_').is_some_and(|(kind, id)| kind.len() < 6 && id.len() > 7)
}

fn is_amount(word: &str) -> bool {
    let digits = word.trim_start_matches(|letter: char| letter.is_ascii_digit() || ".,".contains(letter));
    digits.len() < word.len() && UNITS.contains(&digits)
}

#[test]
fn texts_outside_of_the_pseudo_locale_are_found_and_data_is_not() {
    let found = |body: &str| {
        let page = format!("<html lang=en-XA><body>{body}");
        untranslated(&page, &["acme"])
            .into_iter()
            .map(|found| format!("{}: {}", found.place, found.text))
            .collect::<Vec<_>>()
    };
    for fine in [
        "<p>⟦Ñó⟧ · 1.5Gi 12 %</p>",
        "<p>⟦Ţýþé ⟨acme⟩ ţó ⟨⟦çóñƒíŕɱ⟧⟩⟧</p>",
        "<code>ls</code><p><bdi translate=no>any name</bdi></p><p lang=en>English</p>",
        "<p><bdi>acme</bdi></p><select><option>acme</option></select><p aria-label='⟦Ñó⟧' title=acme>",
    ] {
        assert_eq!(found(fine), [""; 0], "{fine}");
    }
    for (body, expected) in [
        ("<p>Save</p>", "p: Save"),
        ("<p>⟦Ñó⟧ Save</p>", "p: ⟦Ñó⟧ Save"),
        ("<p>⟦Ñó ⟨not translated⟩⟧</p>", "p: ⟦Ñó ⟨not translated⟩⟧"),
        ("<p>acme</p>", "p: acme"),
        ("<p lang=en-XA>Save</p>", "p: Save"),
        ("<bdi>other</bdi>", "bdi: other"),
        ("<input placeholder=Name>", "input placeholder: Name"),
        ("<bdi translate=no title=Name>acme</bdi>", "bdi title: Name"),
        ("<button value=x aria-label=Close></button>", "button aria-label: Close"),
    ] {
        assert_eq!(found(body), [expected], "{body}");
    }
}
