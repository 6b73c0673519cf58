use serde_json::{Map, Value};

use crate::problem::{Outcome, Problem};

/// What came with a request: `items[0][price]=price_1` and its like, as a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(pub(crate) Value);

impl Parameters {
    /// Reads a form, or a query.
    pub(crate) fn parse(text: &str) -> Self {
        let mut tree = Value::Object(Map::new());
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let mut place = &mut tree;
            for part in name.split(['[', ']']).filter(|part| !part.is_empty()) {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place = &mut place[part];
            }
            // `expand[]=a&expand[]=b` names one place twice.
            if name.ends_with("[]") {
                let mut list = place.as_array().cloned().unwrap_or_default();
                list.push(Value::from(value.into_owned()));
                *place = Value::Array(list);
            } else {
                *place = Value::from(value.into_owned());
            }
        }
        Self(tree)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// What a path such as `invoice_settings.default_payment_method` leads to.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        path.split('.').try_fold(&self.0, |place, part| place.get(part))?.as_str()
    }

    pub(crate) fn need(&self, name: &str) -> Outcome<&str> {
        self.text(name).ok_or_else(|| Problem::required(name))
    }

    pub(crate) fn number(&self, name: &str) -> Outcome<Option<i64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::invalid(format!("Invalid integer: {text}")))
    }

    pub(crate) fn truth(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The members of a list: `items[0]`, `items[1]`, or `lookup_keys[]`.
    pub(crate) fn list(&self, name: &str) -> Vec<Self> {
        match self.0.get(name) {
            Some(Value::Object(members)) => members.values().cloned().map(Self).collect(),
            Some(Value::Array(members)) => members.iter().cloned().map(Self).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn under(&self, name: &str) -> Self {
        Self(self.0.get(name).cloned().unwrap_or_default())
    }

    pub(crate) fn metadata(&self) -> Map<String, Value> {
        self.0.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Refuses what Stripe would not know either.
    pub(crate) fn only(&self, known: &[&str]) -> Outcome<()> {
        let unknown = self.0.as_object().and_then(|members| {
            members.keys().find(|name| !known.contains(&name.as_str()) && *name != "expand")
        });
        unknown.map_or(Ok(()), |name| Err(Problem::unknown(name)))
    }
}
