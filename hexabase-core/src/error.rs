//! The one error of the platform.
//!
//! An [`Error`] says what *kind* of thing went wrong, whether trying again makes sense, which operation it
//! was, and the facts around it. Backends keep an error type of their own and convert it in one place;
//! sources are kept, never flattened to text. What [`Error::message`] says may be shown to the caller;
//! context and sources are for operators.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The outcome of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It does not exist, or the caller may not know that it does.
    NotFound,
    /// Something of that name or id is already there.
    AlreadyExists,
    /// The state of things does not allow it, or somebody else changed them meanwhile.
    Conflict,
    /// The input is wrong; [`Error::violations`] says where.
    Invalid,
    /// No credentials, or bad ones.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// A plan or quota is used up.
    QuotaExceeded,
    /// Too many requests.
    RateLimited,
    /// A backend is down or slow; nothing is known to be wrong with the request.
    Unavailable,
    /// This backend cannot do that.
    Unsupported,
    /// A bug, or a broken promise of a backend.
    Unexpected,
}

impl ErrorKind {
    /// The kind as a stable word in `snake_case`.
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

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail the same way.
    Never,
    /// It may work when tried again soon.
    Soon,
    /// It may work after this long.
    After(Duration),
    /// It was tried again already, often enough: nobody further out should.
    Exhausted,
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where: a field name, or a path such as `rules[2].verbs`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// An error of any operation of the platform.
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
    /// An error of the given kind with a message that may be shown to the caller.
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

    /// There is no such `thing`, or it is not the caller's to know.
    #[must_use]
    pub fn not_found(thing: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, format!("{thing} not found"))
    }

    /// A `thing` of that name or id is already there.
    #[must_use]
    pub fn already_exists(thing: &'static str) -> Self {
        Self::new(ErrorKind::AlreadyExists, format!("{thing} already exists"))
    }

    /// The state of things does not allow it; `code` names the rule.
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message).with_code(code)
    }

    /// Somebody changed `thing` between reading and committing.
    #[must_use]
    pub fn version_conflict(thing: &'static str) -> Self {
        let message = format!("the {thing} was changed by someone else meanwhile");
        Self::conflict("version_conflict", message).with_retry(Retry::Soon)
    }

    /// One field of the input is wrong.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::violated(vec![Violation { field: field.into(), message: message.into() }])
    }

    /// Several fields of the input are wrong.
    #[must_use]
    pub fn violated(violations: Vec<Violation>) -> Self {
        let mut error = Self::new(ErrorKind::Invalid, "some values are not valid");
        error.0.violations = violations;
        error
    }

    /// No credentials, or bad ones. The message never says which part was wrong.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }

    /// The caller is known and may not do this.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// A plan or quota is used up.
    #[must_use]
    pub fn quota_exceeded(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::QuotaExceeded, message)
    }

    /// Too many requests; try again after `wait`.
    #[must_use]
    pub fn rate_limited(wait: Duration) -> Self {
        Self::new(ErrorKind::RateLimited, "too many requests").with_retry(Retry::After(wait))
    }

    /// A backend is down or slow.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// This backend cannot do that.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A bug, or a broken promise of a backend. The message goes to operators only.
    #[must_use]
    pub fn unexpected(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unexpected, message)
    }

    /// Names the rule that was broken, as a stable word in `snake_case`.
    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Says whether trying again makes sense.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Says which operation failed, as `noun.verb`.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = operation;
        self
    }

    /// Adds a fact for operators. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The rule that was broken, or the kind where no rule has a name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code.unwrap_or(self.0.kind.as_str())
    }

    /// Whether trying again makes sense.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether trying again soon or later makes sense.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.retry, Retry::Soon | Retry::After(_))
    }

    /// Whether somebody else won a race for the same version.
    #[must_use]
    pub fn is_version_conflict(&self) -> bool {
        self.0.code == Some("version_conflict")
    }

    /// The operation that failed, or an empty text.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// What the caller may be told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong with the input, for [`ErrorKind::Invalid`].
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
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {self}", self.code())?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(out, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Collects what is wrong with an input, so that the caller learns everything at once.
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
    /// Keeps the value, or notes why there is none.
    pub fn field<T, E: fmt::Display>(&mut self, field: impl Into<String>, value: Result<T, E>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(field, error.to_string());
                None
            }
        }
    }

    /// Notes that a field is wrong.
    pub fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Violation { field: field.into(), message: message.into() });
    }

    /// Notes that a field is wrong unless `fine`.
    pub fn require(&mut self, fine: bool, field: impl Into<String>, message: impl Into<String>) {
        if !fine {
            self.refuse(field, message);
        }
    }

    /// The checked fields, each unwrapped.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with every violation noted so far.
    pub fn all<T: Assemble>(self, fields: T) -> Result<T::Output> {
        if !self.0.is_empty() {
            return Err(Error::violated(self.0));
        }
        fields.assemble().ok_or_else(|| Error::unexpected("a field was refused without a reason"))
    }

    /// Nothing, when every check passed.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with every violation noted so far.
    pub fn done(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::violated(self.0)) }
    }
}

/// Fields that were checked one by one and are now known to be there together.
pub trait Assemble {
    /// The same, each unwrapped.
    type Output;

    /// All of them, or nothing when one is missing.
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

            #[expect(non_snake_case, reason = "each variable is named after its type")]
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
    fn display_is_one_line_and_debug_tells_the_causes() {
        let disk = std::io::Error::other("disk full");
        let error = Error::unavailable("the database is down")
            .during("store.commit")
            .with("table", "groups")
            .caused_by(disk);
        assert_eq!(error.to_string(), "store.commit: the database is down (table=groups)");
        assert_eq!(
            format!("{error:?}"),
            "unavailable: store.commit: the database is down (table=groups)\n  caused by: disk full"
        );
    }

    #[test]
    fn a_code_names_the_rule_and_otherwise_the_kind_does() {
        assert_eq!(Error::not_found("group").code(), "not_found");
        assert_eq!(Error::conflict("last_owner", "no").code(), "last_owner");
    }

    #[test]
    fn only_faults_that_may_pass_are_retryable() {
        assert!(Error::unavailable("x").is_retryable());
        assert!(Error::version_conflict("group").is_retryable());
        assert!(!Error::not_found("group").is_retryable());
        assert!(!Error::unavailable("x").with_retry(Retry::Exhausted).is_retryable());
    }

    #[test]
    fn a_check_reports_every_field_at_once() {
        let mut check = Check::default();
        let one: Option<u8> = check.field("one", Err::<u8, _>("too small"));
        check.require(false, "two", "must be even");
        let error = check.all((one, Some(2))).unwrap_err();
        assert_eq!(error.to_string(), "some values are not valid: one: too small; two: must be even");
    }
}
