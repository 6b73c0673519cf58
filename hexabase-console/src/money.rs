//! Amounts of money as text.

use hexabase_core::model::{Currency, Money};

use crate::language::Language;
use crate::numbers::grouped;

/// Returns an amount in the major unit of its currency with the symbol or code of the currency: `$49.00`, `¥4,900`,
/// `49.00 CHF`; in Japanese, yen are `4,900円`.
#[must_use]
pub fn money(language: Language, money: Money) -> String {
    let digits = digits(money.amount.unsigned_abs(), money.currency.decimals());
    let sign = if money.amount < 0 { "−" } else { "" };
    match (money.currency.as_str(), language) {
        ("jpy", Language::Japanese) => format!("{sign}{digits}円"),
        ("jpy", _) => format!("{sign}¥{digits}"),
        ("usd", _) => format!("{sign}${digits}"),
        ("eur", _) => format!("{sign}€{digits}"),
        ("gbp", _) => format!("{sign}£{digits}"),
        (code, _) => format!("{sign}{digits} {}", code.to_ascii_uppercase()),
    }
}

/// Returns an amount in the major unit of its currency without symbol and groups of digits, as in a form: `1234.50`.
#[must_use]
pub fn decimal_text(money: Money) -> String {
    let sign = if money.amount < 0 { "-" } else { "" };
    let decimals = money.currency.decimals();
    format!("{sign}{}", digits(money.amount.unsigned_abs(), decimals).replace(',', ""))
}

/// Parses an amount in the major unit of a currency, with or without groups of digits, and returns it in minor units.
/// `None` for other texts, and for more decimals than the currency has.
#[must_use]
pub fn parse_amount(text: &str, currency: Currency) -> Option<i64> {
    let text = text.trim().replace(',', "");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let width = usize::try_from(currency.decimals()).ok()?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(decimals) || decimals.len() > width {
        return None;
    }
    format!("{whole}{decimals:0<width$}").parse().ok()
}

/// Returns an amount in minor units with the decimals of its currency.
fn digits(amount: u64, decimals: u32) -> String {
    let unit = 10_u64.pow(decimals);
    let whole = grouped(&(amount / unit).to_string());
    match usize::try_from(decimals).unwrap_or_default() {
        0 => whole,
        width => format!("{whole}.{:0width$}", amount % unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entered_amounts_are_in_the_major_unit() {
        let parsed = |text: &str, code| parse_amount(text, Currency::parse(code).unwrap());
        for (text, code, amount) in [
            ("200", "usd", Some(20_000)),
            (" 1,234.5 ", "usd", Some(123_450)),
            ("0.05", "eur", Some(5)),
            ("4900", "jpy", Some(4_900)),
            ("2.001", "bhd", Some(2_001)),
            ("1.", "usd", Some(100)),
            ("", "usd", None),
            (".5", "usd", None),
            ("-1", "usd", None),
            ("1.005", "usd", None),
            ("1.5", "jpy", None),
            ("1e3", "usd", None),
            ("99999999999999999999", "usd", None),
        ] {
            assert_eq!(parsed(text, code), amount, "{text} {code}");
        }
        for (amount, code, text) in
            [(123_450, "usd", "1234.50"), (-5, "eur", "-0.05"), (4_900, "jpy", "4900")]
        {
            assert_eq!(decimal_text(Money { amount, currency: Currency::parse(code).unwrap() }), text);
        }
    }

    #[test]
    fn amounts_have_the_decimals_and_the_symbol_of_their_currency() {
        let formatted = |amount, code, language| {
            money(language, Money { amount, currency: Currency::parse(code).unwrap() })
        };
        for (amount, code, english, japanese) in [
            (4_900, "usd", "$49.00", "$49.00"),
            (-5, "eur", "−€0.05", "−€0.05"),
            (123_456_789, "gbp", "£1,234,567.89", "£1,234,567.89"),
            (4_900, "jpy", "¥4,900", "4,900円"),
            (2_001, "bhd", "2.001 BHD", "2.001 BHD"),
            (i64::MIN, "usd", "−$92,233,720,368,547,758.08", "−$92,233,720,368,547,758.08"),
        ] {
            assert_eq!(formatted(amount, code, Language::English), english);
            assert_eq!(formatted(amount, code, Language::Japanese), japanese);
        }
    }
}
