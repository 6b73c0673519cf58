use serde_json::{Map, Value};

use crate::error::{StripeError, StripeResult};

/// Parameters of a request as a tree, parsed from names such as `items[0][price]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(pub(crate) Value);

impl Parameters {
    /// Parses a form or a query.
    pub(crate) fn parse(text: &str) -> Self {
        let mut tree = Value::Object(Map::new());
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            let mut node = &mut tree;
            for part in name.split(['[', ']']).filter(|part| !part.is_empty()) {
                if !node.is_object() {
                    *node = Value::Object(Map::new());
                }
                node = &mut node[part];
            }
            // `expand[]=a&expand[]=b` adds two members to one list.
            if name.ends_with("[]") {
                let mut list = node.as_array().cloned().unwrap_or_default();
                list.push(Value::from(value.into_owned()));
                *node = Value::Array(list);
            } else {
                *node = Value::from(value.into_owned());
            }
        }
        Self(tree)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Value at a path such as `invoice_settings.default_payment_method`.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        path.split('.').try_fold(&self.0, |node, part| node.get(part))?.as_str()
    }

    pub(crate) fn required(&self, name: &str) -> StripeResult<&str> {
        self.text(name).ok_or_else(|| StripeError::required(name))
    }

    pub(crate) fn number(&self, name: &str) -> StripeResult<Option<i64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| StripeError::invalid(format!("Invalid integer: {text}")))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Members of a list: `items[0]`, `items[1]`, or `lookup_keys[]`.
    pub(crate) fn list(&self, name: &str) -> Vec<Self> {
        match self.0.get(name) {
            Some(Value::Object(members)) => members.values().cloned().map(Self).collect(),
            Some(Value::Array(members)) => members.iter().cloned().map(Self).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn object(&self, name: &str) -> Self {
        Self(self.0.get(name).cloned().unwrap_or_default())
    }

    pub(crate) fn metadata(&self) -> Map<String, Value> {
        self.0.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Rejects parameters that Stripe does not know.
    pub(crate) fn reject_unknown(&self, known: &[&str]) -> StripeResult<()> {
        let unknown = self.0.as_object().and_then(|members| {
            members.keys().find(|name| !known.contains(&name.as_str()) && *name != "expand")
        });
        unknown.map_or(Ok(()), |name| Err(StripeError::unknown(name)))
    }
}
