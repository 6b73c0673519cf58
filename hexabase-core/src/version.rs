//! Versions: the number that makes a read-decide-commit cycle safe without locks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of an aggregate root or of a thing inside it. It starts at 1 and grows by one with every
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version of something just created.
    pub const FIRST: Self = Self(1);

    /// A version with a known number, for stores and for `If-Match`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The bare number.
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
