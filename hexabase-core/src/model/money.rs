use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Amount of money in the minor unit of its currency: 4900 `usd` are 49 dollars, 4900 `jpy` are 4900 yen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Amount in minor units.
    pub amount: i64,
    /// Currency of the amount.
    pub currency: Currency,
}

impl Money {
    /// Returns another amount in the same currency.
    #[must_use]
    pub const fn with_amount(self, amount: i64) -> Self {
        Self { amount, currency: self.currency }
    }

    /// Returns zero in the same currency.
    #[must_use]
    pub const fn zero(self) -> Self {
        self.with_amount(0)
    }

    /// Multiplies the amount, saturating at the numeric bounds.
    #[must_use]
    pub fn times(self, quantity: u32) -> Self {
        self.with_amount(self.amount.saturating_mul(i64::from(quantity)))
    }

    /// Returns the fraction `part / whole` of the amount, rounded to the nearest minor unit, halves away from zero.
    /// Returns the full amount if `whole` is 0.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Self {
        if whole == 0 {
            return self;
        }
        let (whole, doubled) = (i128::from(whole), 2 * i128::from(self.amount) * i128::from(part));
        let rounded = (doubled + doubled.signum() * whole) / (2 * whole);
        self.with_amount(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Money {
    /// Formats the amount in the major unit: `20.01 USD`, `2001 JPY`.
    #[must_use]
    pub fn to_decimal_string(self) -> String {
        let decimals = self.currency.decimals();
        let (sign, amount) = (if self.amount < 0 { "-" } else { "" }, self.amount.unsigned_abs());
        let code = self.currency.as_str().to_ascii_uppercase();
        let whole = 10_u64.pow(decimals);
        match decimals {
            0 => format!("{sign}{amount} {code}"),
            _ => {
                let width = decimals as usize;
                format!("{sign}{}.{:0width$} {code}", amount / whole, amount % whole)
            }
        }
    }
}

/// Formats the amount in minor units (`4900 usd`), since the number of minor units per major unit depends on the
/// currency.
impl std::fmt::Display for Money {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.amount, self.currency.as_str())
    }
}

/// Currency by its ISO 4217 code, in lower case as in Stripe's API.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Parses a code such as `usd`; `None` unless it has three lower-case ASCII letters.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_lowercase).then_some(Self(bytes))
    }

    /// Returns the number of decimal places of an amount (<https://docs.stripe.com/currencies#minor-units>, following
    /// Stripe's representation of amounts).
    #[must_use]
    pub fn decimals(self) -> u32 {
        match self.as_str() {
            "bif" | "clp" | "djf" | "gnf" | "jpy" | "kmf" | "krw" | "mga" | "pyg" | "rwf" | "vnd" | "vuv"
            | "xaf" | "xof" | "xpf" => 0,
            "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
            _ => 2,
        }
    }

    /// Returns the code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("must be a currency code such as usd"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_formatted_with_the_decimal_places_of_its_currency() {
        let formatted =
            |amount, code| Money { amount, currency: Currency::parse(code).unwrap() }.to_decimal_string();
        assert_eq!(formatted(2_001, "usd"), "20.01 USD");
        assert_eq!(formatted(-5, "eur"), "-0.05 EUR");
        assert_eq!(formatted(2_001, "jpy"), "2001 JPY");
        assert_eq!(formatted(2_001, "bhd"), "2.001 BHD");
    }
}
