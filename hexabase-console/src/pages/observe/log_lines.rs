//! Lines of logs as markup and as text.

use hexabase_core::logs::LogLine;
use maud::{Markup, html};

/// Format of the time of a line, in UTC.
const TIME: &str = "%m-%d %H:%M:%S.%3f";

/// List of lines, oldest first. Occurrences of `text` are marked.
pub(super) fn log_lines(lines: &[LogLine], text: Option<&str>) -> Markup {
    html! {
        ol translate="no" {
            @for line in lines {
                li {
                    time datetime=(line.id.at()) data-exact { (line.id.at().strftime(TIME)) }
                    " " span class="origin" { bdi { (line.pod) "/" (line.container) } }
                    " " (marked(&line.text, text))
                }
            }
        }
    }
}

/// Text of a line without control characters, with the occurrences of a part marked.
fn marked(line: &str, part: Option<&str>) -> Markup {
    let line = printable(line);
    let pieces: Vec<&str> = match part {
        Some(part) => line.split(part).collect(),
        None => vec![&line],
    };
    html! {
        @for (index, piece) in pieces.iter().enumerate() {
            @if index > 0 { mark { (part.unwrap_or_default()) } }
            (piece)
        }
    }
}

/// Replaces escape sequences of terminals, and characters that change the direction of the text around them.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            }
            '\t' => shown.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.push(char::REPLACEMENT_CHARACTER),
            c if c.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
            c => shown.push(c),
        }
    }
    shown
}

/// Returns lines as a text file, oldest first: time, origin and text.
pub(super) fn log_file(lines: &[LogLine]) -> String {
    let mut file = String::new();
    for LogLine { id, project, pod, container, text } in lines {
        file += &format!("{} {project}/{pod}/{container} {text}\n", id.at());
    }
    file
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;

    const AT: Timestamp = Timestamp::constant(1_767_225_600, 123_456_789);

    fn shown(text: &str, part: Option<&str>) -> String {
        let line = LogLine::new(AT, ["shop", "web-0", "web"].map(Arc::from), text);
        log_lines(&[line], part).into_string()
    }

    #[test]
    fn a_line_has_its_time_its_origin_and_its_text() {
        let markup = shown("hello", None);
        let time = "<time datetime=\"2026-01-01T00:00:00.123456789Z\" data-exact>01-01 00:00:00.123</time>";
        assert!(markup.contains(time), "{markup}");
        assert!(markup.contains("<bdi>web-0/web</bdi></span> hello"), "{markup}");
    }

    #[test]
    fn hostile_texts_are_texts_and_the_filter_is_marked() {
        let markup = shown("<b>a</b> \u{1b}[31mred\u{1b}[0m \u{202e}evil\u{7}", Some("<b>"));
        let expected = "<mark>&lt;b&gt;</mark>a&lt;/b&gt; red \u{fffd}evil\u{fffd}";
        assert!(markup.contains(expected), "{markup}");
        assert_eq!(shown("aaa", Some("a")).matches("<mark>").count(), 3);
    }

    #[test]
    fn a_file_has_one_line_each() {
        let line = LogLine::new(AT, ["shop", "web-0", "web"].map(Arc::from), "hello");
        assert_eq!(log_file(&[line]), "2026-01-01T00:00:00.123456789Z shop/web-0/web hello\n");
    }
}
