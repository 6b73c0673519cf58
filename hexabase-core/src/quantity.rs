//! Kubernetes quantities: `500m`, `4Gi`, `20`, `+1e3`.
//!
//! Rules: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>. Quantities in Hexabase
//! are amounts of a resource and therefore never negative. Amounts above 2^63 - 1 units are rejected, where Kubernetes
//! stores that maximum instead; exponents are limited to -9 (billionths) to 28.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Billionths per unit. A billionth is the smallest amount in Kubernetes.
const BILLIONTHS_PER_UNIT: u128 = 1_000_000_000;
/// Maximum of a Kubernetes quantity: 2^63 - 1 units.
const MAX_BILLIONTHS: u128 = i64::MAX as u128 * BILLIONTHS_PER_UNIT;

/// Maximum power of ten of a factor in billionths: ten times the factor fits into an `u128`.
const MAX_POWER: u32 = 37;

const BINARY_SUFFIXES: [(&str, u128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// Suffixes with their factors in billionths.
const DECIMAL_SUFFIXES: [(&str, u128); 10] = [
    ("E", BILLIONTHS_PER_UNIT * 1_000_000_000_000_000_000),
    ("P", BILLIONTHS_PER_UNIT * 1_000_000_000_000_000),
    ("T", BILLIONTHS_PER_UNIT * 1_000_000_000_000),
    ("G", BILLIONTHS_PER_UNIT * 1_000_000_000),
    ("M", BILLIONTHS_PER_UNIT * 1_000_000),
    ("k", BILLIONTHS_PER_UNIT * 1_000),
    ("", BILLIONTHS_PER_UNIT),
    ("m", BILLIONTHS_PER_UNIT / 1_000),
    ("u", BILLIONTHS_PER_UNIT / 1_000_000),
    ("n", 1),
];

#[derive(Debug, Clone, Copy)]
enum Style {
    Binary,
    Decimal,
}

/// Amount of a resource. Equality and order compare the amount, not the notation.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    billionths: u128,
    style: Style,
}

/// Text that is not a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a Kubernetes quantity such as 500m, 2 or 4Gi, not negative")]
pub struct InvalidQuantity;

impl Quantity {
    /// The amount zero.
    pub const ZERO: Self = Self { billionths: 0, style: Style::Decimal };

    /// Returns a whole number of units, such as cores, bytes or objects, capped at the maximum.
    #[must_use]
    pub const fn units(units: u64) -> Self {
        let billionths = units as u128 * BILLIONTHS_PER_UNIT;
        Self {
            billionths: if billionths > MAX_BILLIONTHS { MAX_BILLIONTHS } else { billionths },
            style: Style::Decimal,
        }
    }

    /// Returns a number of thousandths: `milli(500)` is half a core.
    #[must_use]
    pub const fn milli(thousandths: u64) -> Self {
        Self { billionths: thousandths as u128 * (BILLIONTHS_PER_UNIT / 1_000), style: Style::Decimal }
    }

    /// Returns a number of mebibytes.
    #[must_use]
    pub const fn mebibytes(count: u32) -> Self {
        Self { billionths: ((count as u128) * BILLIONTHS_PER_UNIT) << 20, style: Style::Binary }
    }

    /// Returns a number of gibibytes.
    #[must_use]
    pub const fn gibibytes(count: u32) -> Self {
        Self { billionths: ((count as u128) * BILLIONTHS_PER_UNIT) << 30, style: Style::Binary }
    }

    /// `true` if the amount is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.billionths == 0
    }

    /// `true` if the amount is a whole number of units.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.billionths.is_multiple_of(BILLIONTHS_PER_UNIT)
    }

    /// Returns the sum, saturating at the maximum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            billionths: (self.billionths + other.billionths).min(MAX_BILLIONTHS),
            style: self.leading_style(other),
        }
    }

    /// Returns the difference, saturating at zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            billionths: self.billionths.saturating_sub(other.billionths),
            style: self.leading_style(other),
        }
    }

    /// Returns the largest multiple of `step` of which `count` fit into this amount; with a count of zero, of which one
    /// fits. The step must not be zero.
    #[must_use]
    pub fn share(self, count: u64, step: Self) -> Self {
        let steps = self.billionths / u128::from(count.max(1)) / step.billionths.max(1);
        Self { billionths: steps * step.billionths, style: self.style }
    }

    /// Returns the number of whole units, rounded down.
    #[must_use]
    pub fn whole_units(self) -> u64 {
        u64::try_from(self.billionths / BILLIONTHS_PER_UNIT).unwrap_or(u64::MAX)
    }

    /// Returns the amount in units as a float, for charts and ratios.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "charts do not show the sixteenth digit")]
    pub fn as_f64(self) -> f64 {
        self.billionths as f64 / BILLIONTHS_PER_UNIT as f64
    }

    fn leading_style(self, other: Self) -> Style {
        if self.is_zero() { other.style } else { self.style }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (style, factor) = Self::factor(suffix)?;
        let whole = parse_digits(whole)?.checked_mul(factor)?;
        let billionths = whole.checked_add(scaled_fraction(fraction, factor))?;
        (billionths <= MAX_BILLIONTHS).then_some(Self { billionths, style })
    }

    fn factor(suffix: &str) -> Option<(Style, u128)> {
        if let Some((_, factor)) = BINARY_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            return Some((Style::Binary, factor * BILLIONTHS_PER_UNIT));
        }
        if let Some((_, factor)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
            return Some((Style::Decimal, *factor));
        }
        let exponent: i8 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        let power = u32::try_from(i32::from(exponent) + 9).ok().filter(|power| *power <= MAX_POWER)?;
        Some((Style::Decimal, 10_u128.pow(power)))
    }
}

fn parse_digits(digits: &str) -> Option<u128> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// Multiplies `factor` by `0.fraction` and rounds up, since Kubernetes never rounds a request down. The fraction may have
/// any number of digits.
fn scaled_fraction(fraction: &str, factor: u128) -> u128 {
    let digits = fraction.bytes().rev().map(|digit| u128::from(digit - b'0'));
    digits.fold(0, |below, digit| (digit * factor + below).div_ceil(10))
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.billionths == other.billionths
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.billionths.cmp(&other.billionths)
    }
}

impl std::hash::Hash for Quantity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.billionths.hash(state);
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        Self::parse(text).ok_or(InvalidQuantity)
    }
}

impl fmt::Display for Quantity {
    /// Formats the canonical form: no fraction, and the largest suffix that needs none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return out.write_str("0");
        }
        if let (Style::Binary, true) = (self.style, self.is_whole()) {
            let units = self.billionths / BILLIONTHS_PER_UNIT;
            let fitting = BINARY_SUFFIXES.iter().find(|(_, factor)| units.is_multiple_of(*factor));
            return match fitting {
                Some((suffix, factor)) => write!(out, "{}{suffix}", units / factor),
                None => write!(out, "{units}"),
            };
        }
        match DECIMAL_SUFFIXES.iter().find(|(_, factor)| self.billionths.is_multiple_of(*factor)) {
            Some((suffix, factor)) => write!(out, "{}{suffix}", self.billionths / factor),
            None => write!(out, "{}n", self.billionths),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn quantities_are_formatted_in_canonical_form() {
        for (input, canonical) in [
            ("0", "0"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000", "1k"),
            ("1e3", "1k"),
            ("12E", "9223372036854775807n"),
            ("1e-3", "1m"),
            ("100n", "100n"),
            ("1E3", "1k"),
            ("1e+3", "1k"),
            ("1E-9", "1n"),
            ("1E", "1E"),
            ("8E18", "8E"),
            ("0.00000000000000000001e28", "100M"),
            ("1u", "1u"),
            ("1k", "1k"),
            ("1M", "1M"),
            ("1G", "1G"),
            ("1T", "1T"),
            ("1P", "1P"),
            ("1Ki", "1Ki"),
            ("1Mi", "1Mi"),
            ("1Ti", "1Ti"),
            ("1Pi", "1Pi"),
            ("7Ei", "7Ei"),
            (".5", "500m"),
            ("5.", "5"),
            ("5.Gi", "5Gi"),
            (".5Gi", "512Mi"),
            ("+1", "1"),
            ("+1Gi", "1Gi"),
            ("+.5", "500m"),
            ("+5.e3", "5k"),
            ("+0", "0"),
            ("007", "7"),
            // More digits than a billionth of the unit has: rounded up.
            ("1.0000000001", "1000000001n"),
            ("0.00000000000000000000000000000000000000000000001", "1n"),
            ("1.1234567890123E", "1123456789012300k"),
        ] {
            match input.parse::<Quantity>() {
                Ok(quantity) => assert_eq!(quantity.to_string(), canonical, "{input}"),
                Err(_) => assert_eq!(input, "12E", "only amounts above 2^63 units are rejected"),
            }
        }
    }

    #[test]
    fn invalid_quantities_are_rejected() {
        for bad in [
            "", ".", "-1", "-0", "+", "++1", "+-1", "-+1", "1+", "+ 1", "+.", "+Gi", "1.2.3", "Gi", "1gi",
            "1KI", "1K", "1i", "1KiB", "1 Gi", " 1", "1\n", "e", "1e", "1e+", "1e1.5", "1e3Ki", "1e++3",
            "1e99", "9Ei9", "1e-20", "1e29", "8Ei", "0x1", "1_000", "\u{661}",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }

    #[test]
    fn comparison_is_by_amount() {
        assert_eq!(quantity("1Gi"), quantity("1073741824"));
        assert!(quantity("1G") < quantity("1Gi"));
        assert!(quantity("999m") < quantity("1"));
    }

    #[test]
    fn a_sum_has_the_style_of_its_first_nonzero_term() {
        assert_eq!(quantity("1Gi").plus(quantity("512Mi")).to_string(), "1536Mi");
        assert_eq!(Quantity::ZERO.plus(quantity("1Gi")).to_string(), "1Gi");
        assert_eq!(quantity("1").minus(quantity("2")), Quantity::ZERO);
        assert_eq!(quantity("7Ei").plus(quantity("7Ei")).billionths, MAX_BILLIONTHS);
    }

    #[test]
    fn a_share_is_rounded_down_to_whole_steps() {
        for (amount, count, step, expected) in [
            ("80Gi", 100, "1Mi", "819Mi"),
            ("2", 20, "1m", "100m"),
            ("2", 3, "1m", "666m"),
            ("1Gi", 0, "1Mi", "1Gi"),
            ("1500Ki", 1, "1Mi", "1Mi"),
            ("10m", 20, "1m", "0"),
        ] {
            assert_eq!(quantity(amount).share(count, quantity(step)).to_string(), expected, "{amount}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_parses_to_the_same_amount(billionths in 0..MAX_BILLIONTHS, binary: bool) {
            let style = if binary { Style::Binary } else { Style::Decimal };
            let quantity = Quantity { billionths, style };
            prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
        }

        #[test]
        fn no_text_makes_parsing_a_quantity_panic(text in "[0-9.eEkKmMnuGiTP+-]{0,24}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
