/// Appearance of the pages that a user chose for the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Appearance {
    /// Colours.
    pub theme: Theme,
    /// Time zone of times.
    pub zone: Zone,
    /// Density of tables.
    pub density: Density,
}

/// Colour scheme of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// Scheme of the operating system.
    #[default]
    System,
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

impl Theme {
    /// Returns the name in cookies and in `data-theme`; `None` for that of the operating system.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    /// Returns the theme of a name; that of the operating system for all other texts.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Time zone of the times on pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Zone {
    /// Zone of the browser, which its script applies. Without scripts, times are in UTC.
    #[default]
    Browser,
    /// UTC.
    Utc,
}

impl Zone {
    /// Returns the name in cookies and in `data-zone`; `None` for that of the browser.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Browser => None,
            Self::Utc => Some("utc"),
        }
    }

    /// Returns the time zone of a name; that of the browser for all other texts.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        if name == "utc" { Self::Utc } else { Self::Browser }
    }
}

/// Density of the rows of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Density {
    /// Rows with space between them.
    #[default]
    Comfortable,
    /// More rows on a screen.
    Compact,
}

impl Density {
    /// Returns the name in cookies and in `data-density`; `None` for the default.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Comfortable => None,
            Self::Compact => Some("compact"),
        }
    }

    /// Returns the density of a name; the default for all other texts.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        if name == "compact" { Self::Compact } else { Self::Comfortable }
    }
}
