//! Versions: optimistic concurrency control for the read, decide and commit cycle, without locks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of an aggregate root, or of an object inside an aggregate. It starts at 1 and is incremented by every
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// Version of a new object.
    pub const FIRST: Self = Self(1);

    /// Creates a version from its number, for stores and `If-Match`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the next version.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}
