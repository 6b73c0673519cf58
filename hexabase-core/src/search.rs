//! Text search: case-insensitive, for a part of a name.
//!
//! A record is found if one of its texts contains the searched text after both are converted to lower case by the rules
//! of Unicode, without regard to the locale. No character is a wildcard. Stores keep the converted texts of a record
//! together ([`searchable`]), so that all of them compare in the same way.

use std::fmt;

use crate::error::{Error, Result};
use crate::model::{Member, OrganizationRole, Phase, User, Workspace};
use crate::name::PlanId;

/// Maximum length of a searched text, in characters.
const MAX_LENGTH: usize = 100;

/// Text to search for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// Parses a text. White space at its ends is ignored.
    ///
    /// # Errors
    /// `Invalid` for the field `q` if the text is empty, longer than 100 characters, or contains control characters.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let is_valid =
            (1..=MAX_LENGTH).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        match is_valid {
            true => Ok(Self(text.to_lowercase())),
            false => {
                let message = format!("must be 1 to {MAX_LENGTH} characters without control characters");
                Err(Error::invalid("q", message))
            }
        }
    }

    /// Returns the text in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `true` if the result of [`searchable`] contains the text.
    #[must_use]
    pub fn is_in(&self, searchable: &str) -> bool {
        searchable.contains(&self.0)
    }

    /// Returns the pattern that `LIKE … ESCAPE '\\'` in SQL matches with the result of [`searchable`].
    #[must_use]
    pub fn like_pattern(&self) -> String {
        let mut pattern = String::from("%");
        for character in self.0.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        pattern
    }
}

/// Returns the searchable form of the texts of a record. A searched text contains no line feed, so it is never found
/// across two texts.
#[must_use]
pub fn searchable<'a>(texts: impl IntoIterator<Item = &'a dyn fmt::Display>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| text.to_string().to_lowercase()).collect();
    texts.join("\n")
}

/// Filter of a list of workspaces. Fields that are `None` match every workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceFilter {
    /// Part of the name or display name.
    pub text: Option<SearchText>,
    /// Phase of the lifecycle.
    pub phase: Option<Phase>,
    /// Plan of the workspace.
    pub plan_id: Option<PlanId>,
}

impl WorkspaceFilter {
    /// `true` if the workspace matches.
    #[must_use]
    pub fn matches(&self, workspace: &Workspace) -> bool {
        self.text.as_ref().is_none_or(|text| text.is_in(&workspace.searchable()))
            && self.phase.is_none_or(|phase| workspace.status.phase == phase)
            && self.plan_id.as_ref().is_none_or(|plan| workspace.plan_id == *plan)
    }
}

/// Filter of a list of members. Fields that are `None` match every member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberFilter {
    /// Part of the name or e-mail address.
    pub text: Option<SearchText>,
    /// Role in the organization.
    pub role: Option<OrganizationRole>,
}

impl MemberFilter {
    /// `true` if the member matches.
    #[must_use]
    pub fn matches(&self, member: &Member, user: &User) -> bool {
        self.text.as_ref().is_none_or(|text| text.is_in(&user.searchable()))
            && self.role.is_none_or(|role| member.role == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str, texts: [&str; 2]) -> bool {
        SearchText::parse(text)
            .unwrap()
            .is_in(&searchable(texts.each_ref().map(|text| text as &dyn fmt::Display)))
    }

    #[test]
    fn a_part_of_a_text_is_found_in_any_case() {
        for text in ["acme", "ACM", " cme ", "grüne", "GRÜNE WELLE", "ünE"] {
            assert!(finds(text, ["acme", "Grüne Welle"]), "{text}");
        }
        for text in ["acmé", "acme grüne", "a%e", "a_me", "grune"] {
            assert!(!finds(text, ["acme", "Grüne Welle"]), "{text}");
        }
    }

    #[test]
    fn wildcards_of_patterns_are_literal() {
        assert_eq!(SearchText::parse(r"50%_\a").unwrap().like_pattern(), r"%50\%\_\\a%");
    }

    #[test]
    fn empty_long_and_invisible_texts_are_rejected() {
        for text in ["", "  ", "a\0b", "a\nb", &"a".repeat(101)] {
            assert!(SearchText::parse(text).is_err(), "{text:?}");
        }
        assert!(SearchText::parse(&"あ".repeat(100)).is_ok());
    }
}
