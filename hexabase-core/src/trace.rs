//! Distributed traces: the context that connects the spans of a request with those of the work it causes.
//!
//! The spans of this workspace's crates are plain [`tracing`] spans. A process that exports them implements
//! [`TracePropagation`], so that a message carries the [`TraceParent`] of the commit that created it, through outbox and
//! queue, to the worker.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Position in a distributed trace, as in the header `traceparent`
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
///
/// ```
/// use hexabase_core::trace::TraceParent;
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent: TraceParent = header.parse()?;
/// assert!(parent.is_sampled);
/// assert_eq!(parent.to_string(), header);
/// # Ok::<(), hexabase_core::trace::InvalidTraceParent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceParent {
    /// Id of the trace; not zero.
    pub trace_id: u128,
    /// Id of the span; not zero.
    pub span_id: u64,
    /// `true` if the process of that span records the trace.
    pub is_sampled: bool,
}

/// Error of a text that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a traceparent of W3C Trace Context")]
pub struct InvalidTraceParent;

impl fmt::Display for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = InvalidTraceParent;

    fn try_from(text: String) -> Result<Self, InvalidTraceParent> {
        text.parse()
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    /// Parses a header. Versions after `00` may have further fields, which are ignored.
    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let mut fields = text.split('-');
        let mut field = |length: usize| {
            let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            fields
                .next()
                .filter(|field| field.len() == length && field.bytes().all(is_lower_hex))
                .ok_or(InvalidTraceParent)
        };
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let has_more = fields.next().is_some();
        if version == "ff" || (version == "00" && has_more) {
            return Err(InvalidTraceParent);
        }
        let invalid = |_| InvalidTraceParent;
        let parent = Self {
            trace_id: u128::from_str_radix(trace_id, 16).map_err(invalid)?,
            span_id: u64::from_str_radix(span_id, 16).map_err(invalid)?,
            is_sampled: u8::from_str_radix(flags, 16).map_err(invalid)? & 1 == 1,
        };
        if parent.trace_id == 0 || parent.span_id == 0 {
            return Err(InvalidTraceParent);
        }
        Ok(parent)
    }
}

/// Connects the spans of this process with distributed traces.
pub trait TracePropagation: fmt::Debug + Send + Sync + 'static {
    /// Position of the current span; `None` if it belongs to no trace.
    fn current(&self) -> Option<TraceParent>;

    /// Makes `span`, which was not entered yet, a child of `parent`.
    fn set_parent(&self, span: &tracing::Span, parent: TraceParent);
}

/// [`TracePropagation`] of a process that exports no traces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoPropagation;

impl TracePropagation for NoPropagation {
    fn current(&self) -> Option<TraceParent> {
        None
    }

    fn set_parent(&self, _: &tracing::Span, _: TraceParent) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_specification_says() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (text, sampled) in [
            (format!("00-{trace}-{span}-01"), Some(true)),
            (format!("00-{trace}-{span}-00"), Some(false)),
            // Unknown flags are ignored.
            (format!("00-{trace}-{span}-03"), Some(true)),
            (format!("00-{trace}-{span}-02"), Some(false)),
            // A later version may append fields.
            (format!("cc-{trace}-{span}-01-what-the-future-brings"), Some(true)),
            (format!("00-{trace}-{span}-01-more"), None),
            (format!("ff-{trace}-{span}-01"), None),
            (format!("00-{trace}-{span}"), None),
            (format!("00-{trace}-{span}-1"), None),
            (format!("00-{}-{span}-01", trace.to_uppercase()), None),
            (format!("00-{}-{span}-01", "0".repeat(32)), None),
            (format!("00-{trace}-{}-01", "0".repeat(16)), None),
            (format!("00-{trace}-+7ad6b7169203331-01"), None),
            (String::new(), None),
        ] {
            let read = text.parse::<TraceParent>().ok();
            assert_eq!(read.map(|parent| parent.is_sampled), sampled, "{text}");
        }
    }
}
