use maud::{Markup, html};

use crate::language::Texts;
use crate::numbers::percent;

/// Share of a limit above which a meter warns.
const WARNING_SHARE: f64 = 0.9;
/// Width of the drawing.
const WIDTH: f64 = 100.0;

/// Amount of a resource against its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Meter {
    /// Name of the resource.
    pub label: String,
    /// Used amount in the base unit of the resource.
    pub used: f64,
    /// Amount that others have reserved of the limit, such as quotas of nested projects; 0 for none.
    pub reserved: f64,
    /// Limit; `None` if unlimited.
    pub limit: Option<f64>,
    /// Used amount as text.
    pub used_text: String,
    /// Reserved amount as text.
    pub reserved_text: String,
    /// Limit as text.
    pub limit_text: String,
}

/// Used and reserved amount of a limit, as a text and a bar. The bar ends at the limit, which a line marks if it is
/// exceeded.
#[must_use]
pub fn meter(texts: &Texts, meter: &Meter) -> Markup {
    html! {
        div class="meter" {
            div class="meter-text" {
                span class="meter-label" { (meter.label) }
                span { (amounts(texts, meter)) }
            }
            @if let Some(limit) = meter.limit { (bar(meter, limit)) }
        }
    }
}

fn amounts(texts: &Texts, meter: &Meter) -> Markup {
    let used = (&meter.used_text).into();
    html! {
        @match meter.limit {
            None => { (texts.text_with("meter-unlimited", &[("used", used)])) },
            Some(limit) => {
                (texts.text_with("meter-limited", &[("used", used), ("limit", (&meter.limit_text).into())]))
                " " span class="share" { (percent(meter.used + meter.reserved, limit)) }
            },
        }
        @if meter.reserved > 0.0 {
            " " span class="reserved" {
                (texts.text_with("meter-reserved", &[("reserved", (&meter.reserved_text).into())]))
            }
        }
    }
}

fn bar(meter: &Meter, limit: f64) -> Markup {
    let total = meter.used + meter.reserved;
    let scale = if total.max(limit) > 0.0 { WIDTH / total.max(limit) } else { 0.0 };
    let (used, reserved) = (meter.used * scale, meter.reserved * scale);
    let state = match total {
        total if total > limit => "bar over",
        total if total > limit * WARNING_SHARE => "bar near",
        _ => "bar",
    };
    html! {
        svg class=(state) viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect class="used" width=(rounded(used)) height="6" {}
            @if reserved > 0.0 {
                rect class="reserved" x=(rounded(used)) width=(rounded(reserved)) height="6" {}
            }
            @if total > limit {
                line class="limit" x1=(rounded(limit * scale)) x2=(rounded(limit * scale)) y2="6" {}
            }
        }
    }
}

fn rounded(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
