//! Parts of pages whose content comes from the monitoring of the installation, which can be absent or down.

use axum::http::StatusCode;
use hexabase_core::error::{Error, ErrorKind, Result};
use maud::{Markup, html};

use crate::components::{Tone, api_text, notice, unavailable};
use crate::form::error_text;
use crate::language::Texts;

/// Source of a part of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Metrics and health.
    Metrics,
    /// Alerts and silences.
    Alerts,
    /// Log lines.
    Logs,
}

impl Source {
    fn name(self, texts: &Texts) -> String {
        match self {
            Self::Metrics => texts.text("source-metrics"),
            Self::Alerts => texts.text("source-alerts"),
            Self::Logs => texts.text("source-logs"),
        }
    }

    fn absence(self, texts: &Texts) -> (String, String) {
        match self {
            Self::Metrics => (texts.text("source-no-metrics"), texts.text("source-no-metrics-about")),
            Self::Alerts => (texts.text("source-no-alerts"), texts.text("source-no-alerts-about")),
            Self::Logs => (texts.text("source-no-logs"), texts.text("source-no-logs-about")),
        }
    }
}

/// Returns what a part of a page shows: its content, or the error in place of it.
///
/// # Errors
/// The error itself if it concerns the page as a whole, such as missing permission.
pub(super) fn part<T>(found: Result<T>) -> Result<Result<T>> {
    use ErrorKind::{Invalid, RateLimited, Unavailable, Unsupported};
    match found {
        Err(error) if !matches!(error.kind(), Invalid | RateLimited | Unavailable | Unsupported) => {
            Err(error)
        }
        found => Ok(found),
    }
}

/// Returns the status of a page with such a part.
pub(super) fn status(error: Option<&Error>) -> StatusCode {
    match error.map(Error::kind) {
        Some(ErrorKind::Invalid) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}

/// Place of a part that has no content.
pub(super) fn failure(texts: &Texts, source: Source, error: &Error) -> Markup {
    match error.kind() {
        _ if error.code() == "unsupported" => {
            let (title, about) = source.absence(texts);
            notice(
                Tone::Neutral,
                &title,
                &html! { p { (about) } p class="note" { (api_text(texts, error.message())) } },
            )
        }
        ErrorKind::Invalid => notice(
            Tone::Bad,
            &texts.text("source-invalid"),
            &html! {
                ul { @for it in error.violations() { li { code { (it.field) } ": " (api_text(texts, &it.message)) } } }
            },
        ),
        ErrorKind::RateLimited => notice(
            Tone::Warning,
            &texts.text("source-busy"),
            &html! { p { (error_text(*texts, error.code(), error.message())) } },
        ),
        _ => unavailable(texts, &source.name(texts)),
    }
}

/// Notice that the values are invented.
pub(super) fn simulated(texts: &Texts) -> Markup {
    html! { p class="note" { (texts.text("source-sandbox")) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn shown(error: &Error) -> String {
        failure(&Texts::new(Language::English), Source::Metrics, error).into_string()
    }

    #[test]
    fn each_failure_of_a_source_has_its_place_and_others_fail_the_page() {
        let absent = Error::unavailable("no Prometheus").with_code("unsupported");
        assert!(shown(&absent).contains("No metrics are collected"), "{}", shown(&absent));
        assert!(shown(&Error::unavailable("timeout")).contains("is not available"));
        assert!(shown(&Error::rate_limited(std::time::Duration::from_secs(1))).contains("Too many requests"));
        let invalid = Error::invalid("project", "<b>");
        assert!(shown(&invalid).contains("<code>project</code>: &lt;b&gt;"), "{}", shown(&invalid));
        assert_eq!(status(Some(&invalid)), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(status(Some(&absent)), StatusCode::OK);
        assert!(part::<()>(Err(absent)).unwrap().is_err());
        assert!(part::<()>(Err(Error::not_found("workspace"))).is_err());
    }
}
