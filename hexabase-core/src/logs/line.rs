use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// Line of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Id, which contains the time.
    pub id: LineId,
    /// Namespace of the container in the tenant cluster: the name of a project, or another namespace.
    pub project: Arc<str>,
    /// Name of the pod in the tenant cluster.
    pub pod: Arc<str>,
    /// Name of the container.
    pub container: Arc<str>,
    /// Text, without the line break.
    pub text: String,
}

impl LogLine {
    /// Creates a line of a container, named by project, pod and container.
    #[must_use]
    pub fn new(at: Timestamp, container: [Arc<str>; 3], text: impl Into<String>) -> Self {
        let [project, pod, container] = container;
        let text = text.into();
        let id = LineId { at, hash: hash([&project, &pod, &container, &text]) };
        Self { id, project, pod, container, text }
    }
}

/// Hash of several texts, each prefixed with its length.
fn hash(parts: [&str; 4]) -> u64 {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    let bytes: [u8; 32] = hash.finalize().into();
    bytes.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Id of a line: its time, and a hash of its container and text, which distinguishes the lines of one time. The order of
/// ids is that of times. It does not depend on the query or the process, so a reader can resume after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId {
    at: Timestamp,
    hash: u64,
}

impl LineId {
    /// Id before those of all lines at this time.
    #[must_use]
    pub const fn before(at: Timestamp) -> Self {
        Self { at, hash: 0 }
    }

    /// Returns the time of the line.
    #[must_use]
    pub const fn at(self) -> Timestamp {
        self.at
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{:016x}", self.at.as_nanosecond(), self.hash)
    }
}

/// Text that is not the id of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a line, such as 1767225600000000000-00c0ffee00c0ffee")]
pub struct InvalidLineId;

impl FromStr for LineId {
    type Err = InvalidLineId;

    /// Parses exactly the form that [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Self, InvalidLineId> {
        let (nanoseconds, hash) = text.rsplit_once('-').ok_or(InvalidLineId)?;
        let nanoseconds = nanoseconds.parse().map_err(|_| InvalidLineId)?;
        let id = Self {
            at: Timestamp::from_nanosecond(nanoseconds).map_err(|_| InvalidLineId)?,
            hash: u64::from_str_radix(hash, 16).map_err(|_| InvalidLineId)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(InvalidLineId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::constant(1_767_225_600, 123_456_789);

    fn line(parts: [&str; 4]) -> LogLine {
        let [project, pod, container, text] = parts;
        LogLine::new(AT, [project, pod, container].map(Arc::from), text)
    }

    #[test]
    fn ids_are_stable_and_distinguish_container_and_text() {
        let id = line(["shop", "web", "app", "hello"]).id;
        assert_eq!(id.to_string(), "1767225600123456789-196c17ba99b78c02");
        for other in [
            ["shop", "web", "app", "hello "],
            ["shop", "web", "ap", "phello"],
            ["shop", "we", "bapp", "hello"],
            ["sho", "pweb", "app", "hello"],
        ] {
            assert_ne!(line(other).id, id, "{other:?}");
        }
    }

    #[test]
    fn ids_round_trip_and_nothing_else_is_one() {
        let id = line(["shop", "web", "app", "hello"]).id;
        assert_eq!(id.to_string().parse(), Ok(id));
        let before = LineId::before(Timestamp::constant(-1, 0));
        assert_eq!(before.to_string().parse(), Ok(before));
        for invalid in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-196c",
            "1-196C17BA99B78C02",
            "+1-0000000000000000",
            "01-0000000000000000",
            "1-0000000000000000 ",
            "99999999999999999999999999-0000000000000000",
            "1.5-0000000000000000",
        ] {
            assert_eq!(invalid.parse::<LineId>(), Err(InvalidLineId), "{invalid:?}");
        }
    }

    #[test]
    fn ids_are_ordered_by_time_first() {
        let id = line(["shop", "web", "app", "hello"]).id;
        assert!(LineId::before(AT) < id);
        assert!(id < LineId::before(Timestamp::constant(1_767_225_600, 123_456_790)));
    }
}
