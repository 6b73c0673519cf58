use std::fmt;

use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::{Check, Result};
use crate::model::string_enum;
use crate::name::ProjectName;

use super::LogLine;

/// Maximum number of lines in a result.
pub const MAX_LINES: usize = 5_000;
/// Maximum length of a [`TextFilter`], in bytes.
pub const MAX_FILTER_LENGTH: usize = 1_000;
/// Maximum length of the name of a pod or container (RFC 1123).
const MAX_NAME_LENGTH: usize = 253;

/// Query of a [`LogSource`](super::LogSource).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogQuery {
    /// Tenant to read.
    pub target: TenantTarget,
    /// Project to read; `None` for all namespaces of the tenant cluster.
    pub project: Option<ProjectName>,
    /// Name of the pod to read; `None` for all.
    pub pod: Option<String>,
    /// Name of the container to read; `None` for all.
    pub container: Option<String>,
    /// Text or pattern that each line contains; `None` for no filter.
    pub filter: Option<TextFilter>,
    /// Time of the oldest line.
    pub since: Timestamp,
    /// Time after that of the newest line.
    pub until: Timestamp,
    /// Maximum number of lines, from 1 to [`MAX_LINES`].
    pub limit: usize,
    /// Order of the lines.
    pub direction: Direction,
}

impl LogQuery {
    /// Checks the names and the limit.
    ///
    /// # Errors
    /// `Invalid` with all violations.
    pub fn check(&self) -> Result<()> {
        let mut check = Check::default();
        for (field, name) in [("pod", &self.pod), ("container", &self.container)] {
            if let Some(Err(message)) = name.as_deref().map(check_workload_name) {
                check.refuse(field, message);
            }
        }
        let in_range = (1..=MAX_LINES).contains(&self.limit);
        check.require(in_range, "limit", format!("must be from 1 to {MAX_LINES}"));
        check.done()
    }

    /// `true` if project, pod and container of a line match the query.
    #[must_use]
    pub fn selects(&self, line: &LogLine) -> bool {
        let matches = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
        matches(self.project.as_ref().map(ProjectName::as_str), &line.project)
            && matches(self.pod.as_deref(), &line.pod)
            && matches(self.container.as_deref(), &line.container)
    }
}

/// Checks the name of a pod or container.
///
/// # Errors
/// The rule that the name violates.
pub fn check_workload_name(name: &str) -> Result<(), &'static str> {
    let is_valid = (1..=MAX_NAME_LENGTH).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    is_valid.then_some(()).ok_or("must be 1 to 253 lower-case letters, digits, hyphens and dots")
}

/// Filter of the texts of lines.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TextFilter {
    text: String,
    is_expression: bool,
}

impl TextFilter {
    /// Creates a filter by a plain text, or by a regular expression (RE2 syntax) if `is_expression`; `None` for an empty
    /// text, which every line contains.
    ///
    /// # Errors
    /// The rule that the text violates.
    pub fn parse(text: &str, is_expression: bool) -> Result<Option<Self>, String> {
        if text.len() > MAX_FILTER_LENGTH {
            return Err(format!("must have at most {MAX_FILTER_LENGTH} bytes"));
        }
        Ok((!text.is_empty()).then(|| Self { text: text.to_owned(), is_expression }))
    }

    /// Returns the text or the regular expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `true` if the text is a regular expression.
    #[must_use]
    pub const fn is_expression(&self) -> bool {
        self.is_expression
    }
}

impl fmt::Debug for TextFilter {
    /// Omits the text: users search for personal data and secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TextFilter").field("is_expression", &self.is_expression).finish_non_exhaustive()
    }
}

/// Order of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    #[default]
    Backward,
}

string_enum!(Direction {
    Forward = "forward",
    Backward = "backward",
} else UnknownDirection = "must be forward or backward");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for valid in ["web", "web-0", "a.b", &"a".repeat(253)] {
            assert_eq!(check_workload_name(valid), Ok(()), "{valid}");
        }
        for invalid in ["", "Web", "a\"b", "a b", "a\\", "a\n", "é", &"a".repeat(254)] {
            assert!(check_workload_name(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn a_filter_is_bounded_and_its_text_is_not_in_debug_output() {
        let filter = TextFilter::parse("s3cr3t", true).unwrap().unwrap();
        assert!(!format!("{filter:?}").contains("s3cr3t"));
        assert_eq!(TextFilter::parse("", true), Ok(None));
        assert!(TextFilter::parse(&"a".repeat(MAX_FILTER_LENGTH), false).is_ok());
        assert!(TextFilter::parse(&"a".repeat(MAX_FILTER_LENGTH + 1), false).is_err());
    }
}
