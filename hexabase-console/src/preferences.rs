//! Preferences of a browser: language, colours, time zone and density, in a cookie.

use crate::components::{Appearance, Density, Theme, Zone};
use crate::language::Language;

/// Preferences that a user chose for a browser.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Preferences {
    /// Tag of the language; empty for none.
    pub(crate) language: String,
    /// Colours, time zone and density.
    pub(crate) appearance: Appearance,
}

impl Preferences {
    /// Reads the value of a cookie. Parts that are absent or unknown stand for the defaults.
    pub(crate) fn of_cookie(value: &str) -> Self {
        let mut parts = value.split('.');
        let mut part = || parts.next().unwrap_or_default();
        Self {
            language: part().to_owned(),
            appearance: Appearance {
                theme: Theme::parse(part()),
                zone: Zone::parse(part()),
                density: Density::parse(part()),
            },
        }
    }

    /// Reads the fields of the form.
    pub(crate) fn of_form(form: &[u8]) -> Self {
        let chosen = |name: &str| {
            let mut pairs = form_urlencoded::parse(form);
            pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        Self {
            language: Language::parse(&chosen("language")).unwrap_or_default().tag().to_owned(),
            appearance: Appearance {
                theme: Theme::parse(&chosen("theme")),
                zone: Zone::parse(&chosen("zone")),
                density: Density::parse(&chosen("density")),
            },
        }
    }

    /// Returns the value of the cookie.
    pub(crate) fn cookie(&self) -> String {
        let Appearance { theme, zone, density } = self.appearance;
        let parts = [theme.as_str(), zone.as_str(), density.as_str()].map(Option::unwrap_or_default);
        format!("{}.{}", self.language, parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_keeps_what_the_form_chose() {
        for theme in ["", "light", "dark"] {
            for (zone, density) in [("", ""), ("utc", ""), ("", "compact"), ("utc", "compact")] {
                let form = format!("language=ja&theme={theme}&zone={zone}&density={density}");
                let chosen = Preferences::of_form(form.as_bytes());
                assert_eq!(chosen.cookie(), format!("ja.{theme}.{zone}.{density}"));
                assert_eq!(Preferences::of_cookie(&chosen.cookie()), chosen);
            }
        }
    }

    #[test]
    fn absent_and_unknown_parts_are_the_defaults() {
        for cookie in ["", ".", "...", "xx.neon.mars.loose", ".....", "en.DARK.UTC.<b>"] {
            assert_eq!(Preferences::of_cookie(cookie).appearance, Appearance::default(), "{cookie}");
        }
        let older = Preferences::of_cookie("ja.dark");
        assert_eq!((older.language.as_str(), older.appearance.theme), ("ja", Theme::Dark));
        assert_eq!(Preferences::of_form(b"language=nothing").cookie(), "en...");
    }
}
