use serde::{Serialize, Serializer};

/// Unit of the values of a [`Metric`](super::Metric).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Processor cores.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Number of objects or events.
    Count,
    /// Share, from 0 to 1.
    Ratio,
    /// Requests per second.
    RequestsPerSecond,
}

impl Unit {
    /// All units.
    pub const ALL: &'static [Self] =
        &[Self::Cores, Self::Bytes, Self::BytesPerSecond, Self::Count, Self::Ratio, Self::RequestsPerSecond];

    /// Returns the name in responses: `bytes_per_second`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cores => "cores",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes_per_second",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::RequestsPerSecond => "requests_per_second",
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}
