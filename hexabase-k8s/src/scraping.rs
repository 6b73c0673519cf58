//! Scraping of tenant API servers by a Prometheus of the host.

use std::fmt;
use std::str::FromStr;

/// Objects with which a Prometheus of the host scrapes the metrics of tenant API servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TenantScraping {
    /// None: Prometheus has no access to the metrics.
    #[default]
    Off,
    /// A token for each tenant, in a Secret of its namespace on the host.
    Token,
    /// A token, and a ServiceMonitor for the Prometheus operator, whose API the host must serve
    /// (`monitoring.coreos.com/v1`).
    ServiceMonitor,
}

impl TenantScraping {
    const ALL: [Self; 3] = [Self::Off, Self::Token, Self::ServiceMonitor];

    /// `true` if tenants have a token for Prometheus.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        matches!(self, Self::Token | Self::ServiceMonitor)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Token => "token",
            Self::ServiceMonitor => "service-monitor",
        }
    }
}

impl fmt::Display for TenantScraping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for TenantScraping {
    type Err = &'static str;

    /// # Errors
    /// The known values, if the text is none of them.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|scraping| scraping.as_str() == text);
        known.ok_or("must be off, token or service-monitor")
    }
}
