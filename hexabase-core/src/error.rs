//! Error type of the platform.
//!
//! An [`Error`] has a *kind*, a retry hint, the failed operation, and context. Backends have their own error types and
//! convert them in one place; sources are preserved, never flattened to text. [`Error::message`] may be shown to the
//! caller; context and sources are for operators.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::name::{InvalidName, NameRule};

/// Result of every fallible operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist, or the caller must not learn that it does.
    NotFound,
    /// An object with the same name or id exists.
    AlreadyExists,
    /// The current state does not allow the operation, or changed concurrently.
    Conflict,
    /// The input is invalid; [`Error::violations`] lists the fields.
    Invalid,
    /// Credentials are missing or invalid.
    Unauthenticated,
    /// The caller is authenticated, but not authorized.
    Forbidden,
    /// A limit of a plan or quota is reached.
    QuotaExceeded,
    /// The caller sent too many requests.
    RateLimited,
    /// A backend is down or slow; the request itself may be valid.
    Unavailable,
    /// The backend does not support the operation.
    Unsupported,
    /// A bug, or a violated contract of a backend.
    Unexpected,
}

impl ErrorKind {
    /// Returns the kind as a stable identifier in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected",
        }
    }
}

/// Retry hint of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A retry would fail in the same way.
    Never,
    /// A retry may soon succeed.
    Soon,
    /// A retry may succeed after this time.
    After(Duration),
    /// The operation was already retried often enough; outer layers must not retry it.
    Exhausted,
}

/// Violation of a rule by one field of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the field, or a path such as `rules[2].verbs`.
    pub field: String,
    /// Rule that the field breaks, with the valid values.
    pub message: String,
    /// Rule of a name, by which other languages describe it; `None` for another rule.
    pub rule: Option<NameRule>,
}

impl Violation {
    /// Creates a violation of a rule in words.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), rule: None }
    }
}

/// Error of any operation of the platform.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Option<&'static str>,
    retry: Retry,
    operation: &'static str,
    message: String,
    context: Vec<(&'static str, String)>,
    violations: Vec<Violation>,
    source: Option<Source>,
}

impl Error {
    /// Creates an error of a kind with a message that may be shown to the caller.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::RateLimited => Retry::Soon,
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            code: None,
            retry,
            operation: "",
            message: message.into(),
            context: Vec::new(),
            violations: Vec::new(),
            source: None,
        }))
    }

    /// `NotFound`: `thing` does not exist, or the caller must not learn that it does.
    #[must_use]
    pub fn not_found(thing: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, format!("{thing} not found"))
    }

    /// `AlreadyExists`: a `thing` with the same name or id exists.
    #[must_use]
    pub fn already_exists(thing: &'static str) -> Self {
        Self::new(ErrorKind::AlreadyExists, format!("{thing} already exists"))
    }

    /// `Conflict`: the current state does not allow the operation. `code` names the rule.
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message).with_code(code)
    }

    /// `Conflict` with the code `version_conflict`: `thing` was changed between read and commit. Retryable.
    #[must_use]
    pub fn version_conflict(thing: &'static str) -> Self {
        let message = format!("the {thing} was changed concurrently; read it again and repeat the request");
        Self::conflict("version_conflict", message).with_retry(Retry::Soon)
    }

    /// `Invalid`: one field of the input is invalid.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![Violation::new(field, message)])
    }

    /// `Invalid`: several fields of the input are invalid.
    #[must_use]
    pub fn invalid_fields(violations: Vec<Violation>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, "some values are not valid");
        error.0.violations = violations;
        error
    }

    /// `Unauthenticated`: credentials are missing or invalid. The message must not say which part was wrong.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }

    /// `Forbidden`: the caller is authenticated, but not authorized.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// `QuotaExceeded`: a limit of a plan or quota is reached.
    #[must_use]
    pub fn quota_exceeded(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::QuotaExceeded, message)
    }

    /// `RateLimited`: the caller may retry after `wait`.
    #[must_use]
    pub fn rate_limited(wait: Duration) -> Self {
        Self::new(ErrorKind::RateLimited, "too many requests").with_retry(Retry::After(wait))
    }

    /// `Unavailable`: a backend is down or slow.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// `Unsupported`: the backend does not support the operation.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// `Unexpected`: a bug, or a violated contract of a backend. The message is for operators only.
    #[must_use]
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unexpected, message)
    }

    /// Sets the code of the broken rule, a stable identifier in `snake_case`.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Sets the retry hint.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Sets the operation that failed, as `noun.verb`.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = operation;
        self
    }

    /// Adds context for operators. It must not contain secrets.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Sets the source of the error.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the code of the broken rule; without one, the kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code.unwrap_or(self.0.kind.as_str())
    }

    /// Returns the retry hint.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// `true` if a retry may succeed, soon or after a delay.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.retry, Retry::Soon | Retry::After(_))
    }

    /// `true` if the commit failed because of a concurrent change.
    #[must_use]
    pub fn is_version_conflict(&self) -> bool {
        self.0.code == Some("version_conflict")
    }

    /// Returns the operation that failed, or an empty string.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Returns the message, which may be shown to the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the invalid fields of the input, for [`ErrorKind::Invalid`].
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.operation.is_empty() {
            write!(out, "{}: ", self.0.operation)?;
        }
        out.write_str(&self.0.message)?;
        for (index, violation) in self.0.violations.iter().enumerate() {
            let lead = if index == 0 { ": " } else { "; " };
            write!(out, "{lead}{}: {}", violation.field, violation.message)?;
        }
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            let lead = if index == 0 { " (" } else { ", " };
            write!(out, "{lead}{key}={value}")?;
        }
        if !self.0.context.is_empty() {
            out.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    /// Writes the error with its causes on one line: a search in the log for a request id finds the causes as well, and
    /// the text of another program cannot forge a line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}: {self}", self.code());
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str("; caused by: ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        for letter in text.chars() {
            match letter.is_control() {
                true => write!(out, "{}", letter.escape_default())?,
                false => out.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Collects the violations of an input, so that the caller receives all of them at once.
///
/// ```
/// use hexabase_core::error::Check;
/// use hexabase_core::name::{DisplayName, Slug};
///
/// let mut check = Check::default();
/// let name = check.field("name", Slug::parse("-"));
/// let display = check.field("display_name", DisplayName::parse("\u{7}"));
/// let error = check.all((name, display)).unwrap_err();
/// assert_eq!(error.violations().len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Check(Vec<Violation>);

impl Check {
    /// Returns the value, or records the error as a violation of `field`.
    pub fn field<T, E: fmt::Display + 'static>(
        &mut self,
        field: impl Into<String>,
        value: Result<T, E>,
    ) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                let name: Option<&InvalidName> = (&error as &dyn Any).downcast_ref();
                let rule = name.map(InvalidName::rule);
                self.0.push(Violation { rule, ..Violation::new(field, error.to_string()) });
                None
            }
        }
    }

    /// Records a violation.
    pub fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation::new(field, message));
    }

    /// Records a violation unless `valid`.
    pub fn require(&mut self, valid: bool, field: impl Into<String>, message: impl Into<String>) {
        if !valid {
            self.refuse(field, message);
        }
    }

    /// Returns the validated fields, each unwrapped.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with all recorded violations.
    pub fn all<T: Assemble>(self, fields: T) -> Result<T::Output> {
        if !self.0.is_empty() {
            return Err(Error::invalid_fields(self.0));
        }
        fields.assemble().ok_or_else(|| Error::unexpected("a field was rejected without a violation"))
    }

    /// Succeeds if no violation was recorded.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with all recorded violations.
    pub fn done(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::invalid_fields(self.0)) }
    }
}

/// Tuple of fields that were validated one by one.
pub trait Assemble {
    /// Tuple of the unwrapped fields.
    type Output;

    /// Returns all fields, or `None` if one is missing.
    fn assemble(self) -> Option<Self::Output>;
}

impl<A> Assemble for Option<A> {
    type Output = A;

    fn assemble(self) -> Option<A> {
        self
    }
}

macro_rules! assemble_tuples {
    ($(($($name:ident),+))+) => {$(
        impl<$($name),+> Assemble for ($(Option<$name>,)+) {
            type Output = ($($name,)+);

            #[expect(non_snake_case, reason = "variables have the names of their types")]
            fn assemble(self) -> Option<Self::Output> {
                let ($($name,)+) = self;
                Some(($($name?,)+))
            }
        }
    )+};
}

assemble_tuples! { (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_debug_are_one_line_and_debug_lists_the_causes() {
        let disk = std::io::Error::other("disk full\nERROR forged line");
        let error = Error::unavailable("the database is down")
            .during("store.commit")
            .with("table", "groups")
            .caused_by(disk);
        assert_eq!(error.to_string(), "store.commit: the database is down (table=groups)");
        assert_eq!(
            format!("{error:?}"),
            "unavailable: store.commit: the database is down (table=groups); caused by: disk full\\nERROR forged line"
        );
    }

    #[test]
    fn the_code_names_the_rule_or_else_the_kind() {
        assert_eq!(Error::not_found("group").code(), "not_found");
        assert_eq!(Error::conflict("last_owner", "no").code(), "last_owner");
    }

    #[test]
    fn only_transient_errors_are_retryable() {
        assert!(Error::unavailable("x").is_retryable());
        assert!(Error::version_conflict("group").is_retryable());
        assert!(!Error::not_found("group").is_retryable());
        assert!(!Error::unavailable("x").with_retry(Retry::Exhausted).is_retryable());
    }

    #[test]
    fn a_check_reports_all_fields_at_once() {
        let mut check = Check::default();
        let one: Option<u8> = check.field("one", Err::<u8, _>("too small"));
        check.require(false, "two", "must be even");
        let error = check.all((one, Some(2))).unwrap_err();
        assert_eq!(error.to_string(), "some values are not valid: one: too small; two: must be even");
    }
}
