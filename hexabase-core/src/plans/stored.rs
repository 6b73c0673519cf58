//! Plans of the store that a newer release may have written.

use std::cell::RefCell;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Error, Value};

use crate::model::Plan;

/// Plans as far as this release can read them. A newer release may have written them before a rollback, or during an
/// update in which both run: fields that this release does not know are left out, and so is a plan with a value that it
/// does not know. The configuration and requests are read strictly instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadablePlans {
    /// Plans without the unknown contents.
    pub plans: Vec<Plan>,
    /// Paths of the contents that were left out, by the id of the plan.
    pub unknown: Vec<String>,
}

impl<'de> Deserialize<'de> for ReadablePlans {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut read = Self::default();
        for (index, value) in Vec::<Value>::deserialize(input)?.into_iter().enumerate() {
            let id = value["id"].as_str().map_or_else(|| format!("plans[{index}]"), str::to_owned);
            let unknown = RefCell::default();
            match Plan::deserialize(Tolerant { value, path: id.clone(), unknown: &unknown }) {
                Ok(plan) => {
                    read.plans.push(plan);
                    read.unknown.append(&mut unknown.into_inner());
                }
                Err(error) => read.unknown.push(format!("{id} ({error})")),
            }
        }
        Ok(read)
    }
}

/// Deserializer that leaves out the unknown fields of all structures, also of those that deny them.
struct Tolerant<'a> {
    value: Value,
    path: String,
    unknown: &'a RefCell<Vec<String>>,
}

impl Tolerant<'_> {
    fn child(&self, name: &str, value: Value) -> Self {
        Self { value, path: format!("{}.{name}", self.path), unknown: self.unknown }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Tolerant<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tolerant<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                visitor.visit_seq(SeqDeserializer::new(
                    items.map(|(index, item)| self.child(&index.to_string(), item)),
                ))
            }
            Value::Object(fields) => {
                visitor.visit_map(MapDeserializer::new(fields.into_iter().map(|(name, value)| {
                    let child = self.child(&name, value);
                    (name, child)
                })))
            }
            value => value.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Value::Object(fields) = &mut self.value {
            fields.retain(|name, _| {
                let is_known = known.contains(&name.as_str());
                if !is_known {
                    self.unknown.borrow_mut().push(format!("{}.{name}", self.path));
                }
                is_known
            });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::model::{Currency, Interval, Meter, Money, PerMeter, Price, UnitPrice, UsagePrice};
    use crate::name::ExtendedResource;
    use crate::quantity::Quantity;
    use serde_json::json;

    /// Plan with every optional field.
    fn complete() -> Plan {
        let monthly = Money { amount: 100, currency: Currency::parse("usd").unwrap() };
        let unit = Some(UnitPrice { included: 1, monthly, yearly: Some(monthly) });
        let mut usage = PerMeter::default();
        usage[Meter::Cpu] = Some(UsagePrice { included: 1, per_thousand: monthly });
        let price =
            Price { monthly, yearly: Some(monthly), workspace: unit, node: unit, usage, trial_days: 7 };
        let extended = [(ExtendedResource::parse("nvidia.com/gpu").unwrap(), Quantity::units(1))];
        Plan {
            price: Some(price),
            extended_resources: extended.into(),
            image_sources: vec!["registry.example.com".parse().unwrap()],
            retired: true,
            host_labels: [("gpu".to_owned(), "a100".to_owned())].into(),
            ..fixture::plan("team")
        }
    }

    #[test]
    fn plans_of_this_release_are_read_completely() {
        let plans = vec![complete(), fixture::plan("small")];
        assert_eq!(plans[0].price.unwrap().per(Interval::Year).unwrap().amount, 100);
        let read: ReadablePlans = serde_json::from_value(json!(plans)).unwrap();
        assert_eq!(read, ReadablePlans { plans, unknown: Vec::new() });
    }

    #[test]
    fn fields_of_a_newer_release_are_left_out_and_named() {
        let mut value = json!([complete()]);
        for path in ["", "/limits", "/control_plane", "/price", "/price/node", "/price/usage/cpu"] {
            value[0].pointer_mut(path).unwrap()["later"] = json!({ "any": [1] });
        }
        let strict = serde_json::from_value::<Vec<Plan>>(value.clone()).unwrap_err();
        assert!(strict.to_string().contains("unknown field `later`"), "{strict}");
        let mut read: ReadablePlans = serde_json::from_value(value).unwrap();
        read.unknown.sort();
        assert_eq!(read.plans, [complete()]);
        let expected = ["control_plane", "later", "limits", "price", "price.node", "price.usage.cpu"]
            .map(|parent| format!("team.{parent}.later").replace("later.later", "later"));
        assert_eq!(read.unknown, expected);
    }

    #[test]
    fn a_plan_with_a_value_of_a_newer_release_is_left_out() {
        let mut value = json!([complete(), fixture::plan("small")]);
        value[0]["isolation"] = json!("sandboxed");
        let read: ReadablePlans = serde_json::from_value(value).unwrap();
        assert_eq!(read.plans, [fixture::plan("small")]);
        let [unknown] = read.unknown.as_slice() else { panic!("{:?}", read.unknown) };
        assert!(unknown.starts_with("team (") && unknown.contains("baseline or restricted"), "{unknown}");
    }
}
