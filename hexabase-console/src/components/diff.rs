use maud::{Markup, html};

use super::data;
use crate::language::Texts;

/// Maximum number of lines of each side that are compared; the cost is their product.
const MAX_LINES: usize = 500;

/// Line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// Changed value of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Name of the value.
    pub label: String,
    /// Value before; `None` if there was none.
    pub before: Option<String>,
    /// Value after; `None` if there is none.
    pub after: Option<String>,
}

/// Comparison of two texts line by line. Removed and added lines are marked by signs and for assistive technology.
#[must_use]
pub fn diff(texts: &Texts, before: &[String], after: &[String]) -> Markup {
    html! {
        ol class="diff" {
            @for line in lines(before, after) {
                @match line {
                    Line::Same(text) => { li { (text) } },
                    Line::Removed(text) => {
                        li class="removed" { del { span class="hidden" { (texts.text("diff-removed")) " " } (text) } }
                    },
                    Line::Added(text) => {
                        li class="added" { ins { span class="hidden" { (texts.text("diff-added")) " " } (text) } }
                    },
                }
            }
        }
    }
}

/// List of changed values: what was, and what is.
#[must_use]
pub fn changes(texts: &Texts, changes: &[Change]) -> Markup {
    let value = |value: &Option<String>| match value {
        Some(value) => data(value),
        None => html! { (texts.text("diff-nothing")) },
    };
    html! {
        dl class="facts changes" {
            @for change in changes {
                div {
                    dt { (data(&change.label)) }
                    dd { del { (value(&change.before)) } " " span aria-hidden="true" { "→" } " " ins { (value(&change.after)) } }
                }
            }
        }
    }
}

/// Returns the shortest list of lines that turns one text into the other, removals first.
fn lines<'a>(before: &'a [String], after: &'a [String]) -> Vec<Line<'a>> {
    let (before, after) = (&before[..before.len().min(MAX_LINES)], &after[..after.len().min(MAX_LINES)]);
    // Length of the longest common subsequence of the rests from each pair of positions.
    let mut common = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for (i, old) in before.iter().enumerate().rev() {
        for (j, new) in after.iter().enumerate().rev() {
            common[i][j] =
                if old == new { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        match (before.get(i), after.get(j)) {
            (Some(old), Some(new)) if old == new => {
                lines.push(Line::Same(old));
                (i, j) = (i + 1, j + 1);
            }
            (Some(old), new) if new.is_none() || common[i + 1][j] >= common[i][j + 1] => {
                lines.push(Line::Removed(old));
                i += 1;
            }
            (_, Some(new)) => {
                lines.push(Line::Added(new));
                j += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_keeps_common_lines() {
        let text = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let compared = |before: &str, after: &str| {
            let (before, after) = (text(before), text(after));
            let sign = |line: &Line<'_>| match line {
                Line::Same(text) => format!(" {text}"),
                Line::Removed(text) => format!("-{text}"),
                Line::Added(text) => format!("+{text}"),
            };
            lines(&before, &after).iter().map(sign).collect::<String>()
        };
        assert_eq!(compared("abc", "abc"), " a b c");
        assert_eq!(compared("abc", "axc"), " a-b+x c");
        assert_eq!(compared("", "ab"), "+a+b");
        assert_eq!(compared("ab", ""), "-a-b");
        assert_eq!(compared("abcd", "bd"), "-a b-c d");
    }
}
