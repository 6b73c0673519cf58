//! Fields of forms about host clusters.

use std::collections::BTreeMap;

use hexabase_core::model::HostState;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::KnownHost;
use maud::Markup;

use crate::components::{Control, Field, Tone, badge};
use crate::form::{Fields, FormState};
use crate::language::Texts;

/// Fields with pairs of a name and a value, one a line, which requests have as objects.
const PAIRS: [&str; 2] = ["labels", "settings"];
/// Number of visible lines of such a field.
const PAIR_LINES: u8 = 3;
/// Number of visible lines of a kubeconfig.
const KUBECONFIG_LINES: u8 = 8;

/// Returns the fields of the request of a form: each line `name=value` of labels and settings is a field of its own.
pub(super) fn with_pairs(fields: &Fields) -> Fields {
    let mut split = Vec::new();
    for (name, value) in fields.entries() {
        if !PAIRS.contains(&name) {
            split.push((name.to_owned(), value.to_owned()));
            continue;
        }
        for line in value.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            split.push((format!("{name}.{}", key.trim()), value.trim().to_owned()));
        }
    }
    Fields::new(split)
}

/// Returns pairs as lines `name=value`.
pub(super) fn pair_lines(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// Returns the capacity of a host; `None` if it has no limit.
pub(super) fn capacity_text(host: &HostCluster) -> Option<String> {
    (host.capacity < u32::MAX).then(|| host.capacity.to_string())
}

/// Fields that the registration and the change of a host have in common: region, capacity, labels and settings.
pub(super) fn placement_fields(texts: &Texts, form: &FormState, known: Option<&KnownHost>) -> Vec<Field> {
    let host = known.map(|known| &known.host);
    let region = host.and_then(|host| host.region.as_ref()).map(ToString::to_string).unwrap_or_default();
    let capacity = host.and_then(capacity_text);
    let settings =
        known.and_then(|known| known.registration.as_ref()).map(|known| pair_lines(&known.settings));
    let line = |name: &str, label: &str, hint: &str, value: &str| {
        Field::line(name, texts.text(label))
            .value(form.value_or(name, value))
            .error(form.error(name))
            .hint(texts.text(hint))
    };
    let lines = |name: &str, label: &str, hint: &str, value: &str| {
        let field = line(name, label, hint, value);
        Field { control: Control::Lines(PAIR_LINES), ..field }
    };
    let labels = host.map(|host| pair_lines(&host.labels)).unwrap_or_default();
    vec![
        line("region", "field-region", "host-region-hint", &region),
        line("capacity", "host-capacity", "host-capacity-hint", &capacity.unwrap_or_default()),
        lines("labels", "host-labels", "host-labels-hint", &labels),
        lines("settings", "host-settings", "host-settings-hint", &settings.unwrap_or_default()),
    ]
}

/// Field of a kubeconfig, which is never shown again.
pub(super) fn kubeconfig_field(texts: &Texts, form: &FormState) -> Field {
    Field::new("kubeconfig", texts.text("host-kubeconfig"), Control::Lines(KUBECONFIG_LINES))
        .error(form.error("kubeconfig"))
}

/// Badge with the health of a host; hosts of the configuration have none.
pub(super) fn health_badge(texts: &Texts, host: &KnownHost) -> Markup {
    let Some(registration) = &host.registration else {
        return badge(Tone::Neutral, &texts.text("host-configured"));
    };
    match registration.health.state {
        HostState::Healthy => badge(Tone::Good, &texts.text("host-healthy")),
        HostState::Unreachable => badge(Tone::Bad, &texts.text("host-unreachable")),
        HostState::Unknown => badge(Tone::Busy, &texts.text("host-unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_pairs_are_fields_of_the_request() {
        let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = Fields::new(vec![
            entry("name", "fra"),
            entry("labels", "gpu = a100\n\n example.com/tier=a=b\r\nalone"),
        ]);
        let expected = vec![
            entry("name", "fra"),
            entry("labels.gpu", "a100"),
            entry("labels.example.com/tier", "a=b"),
            entry("labels.alone", ""),
        ];
        assert!(with_pairs(&fields) == Fields::new(expected));
        let pairs = [entry("a", "1"), entry("b", "2")].into_iter().collect();
        assert_eq!(pair_lines(&pairs), "a=1\nb=2\n");
    }
}
