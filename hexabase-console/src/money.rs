//! Amounts of money as text.

use hexabase_core::model::Money;

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
    use hexabase_core::model::Currency;

    use super::*;

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
