use serde_json::{Value, json};

use crate::error::{StripeError, StripeResult};
use crate::parameters::Parameters;
use crate::state::{State, list, number, text};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Maximum age of an event when it arrives, in seconds.
const MAX_EVENT_AGE: i64 = 35 * DAY;
/// Maximum time by which the timestamp of an event may be in the future, in seconds.
const MAX_EVENT_LEAD: i64 = 5 * 60;

impl State {
    pub(crate) fn handle_meters(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> StripeResult {
        match (method, parts) {
            ("POST", []) => self.create_meter(parameters),
            ("GET", []) => {
                let status = parameters.text("status");
                let matches = |meter: &&Value| status.is_none_or(|status| meter["status"] == status);
                let found = self.meters.values().rev().filter(matches).cloned().collect();
                Ok(list("/v1/billing/meters", found, parameters))
            }
            ("GET", [id]) => self.meters.get(*id).cloned().ok_or_else(|| StripeError::not_found("meter", id)),
            ("GET", [id, "event_summaries"]) => self.event_summaries(id, parameters),
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }

    fn create_meter(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&[
            "display_name",
            "event_name",
            "default_aggregation",
            "event_time_window",
            "customer_mapping",
            "value_settings",
        ])?;
        let event_name = parameters.required("event_name")?;
        if self.meters.values().any(|meter| meter["event_name"] == event_name && meter["status"] == "active")
        {
            let message = format!("There is already an active meter for the event name {event_name}.");
            return Err(StripeError::invalid(message));
        }
        if parameters.at("default_aggregation.formula") != Some("sum") {
            return Err(StripeError::invalid("The stand-in supports only the `sum` formula."));
        }
        let key = |path: &str, otherwise: &str| parameters.at(path).unwrap_or(otherwise).to_owned();
        let id = self.id("mtr");
        let meter = json!({
            "id": id, "object": "billing.meter", "created": self.now, "updated": self.now, "livemode": false,
            "display_name": parameters.required("display_name")?, "event_name": event_name, "status": "active",
            "default_aggregation": { "formula": "sum" }, "event_time_window": parameters.text("event_time_window"),
            "customer_mapping": {
                "type": "by_id", "event_payload_key": key("customer_mapping.event_payload_key", "stripe_customer_id"),
            },
            "value_settings": { "event_payload_key": key("value_settings.event_payload_key", "value") },
            "status_transitions": { "deactivated_at": null },
        });
        self.meters.insert(id, meter.clone());
        Ok(meter)
    }

    /// Records a meter event (<https://docs.stripe.com/api/billing/meter-event/create>).
    pub(crate) fn create_meter_event(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["event_name", "payload", "identifier", "timestamp"])?;
        let name = parameters.required("event_name")?;
        let known = |meter: &&Value| meter["event_name"] == name && meter["status"] == "active";
        let meter = self.meters.values().find(known).cloned();
        let meter = meter.ok_or_else(|| {
            StripeError::invalid(format!("No active meter found for event name \"{name}\"."))
        })?;
        let payload = parameters.object("payload");
        let customer = payload.required(text(&meter["customer_mapping"], "event_payload_key"))?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(StripeError::resource_missing("customer", &customer));
        }
        let value = payload.number(text(&meter["value_settings"], "event_payload_key"))?;
        let value = value.ok_or_else(|| StripeError::required("payload[value]"))?;
        let now = self.time_of(&customer);
        let at = parameters.number("timestamp")?.unwrap_or(now);
        if at < now - MAX_EVENT_AGE || at > now + MAX_EVENT_LEAD {
            return Err(StripeError::invalid(
                "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.",
            ));
        }
        let identifier = parameters.text("identifier").map_or_else(|| self.id("evt"), str::to_owned);
        if identifier.len() > 100 {
            return Err(StripeError::invalid("Invalid string: identifier must be at most 100 characters"));
        }
        let recent = |event: &&Value| number(event, "created") > now - DAY;
        if self.meter_events.iter().filter(recent).any(|event| event["identifier"] == identifier.as_str()) {
            return Err(StripeError::invalid(format!(
                "An event already exists with identifier {identifier}."
            )));
        }
        let event = json!({
            "object": "billing.meter_event", "created": now, "event_name": name, "identifier": identifier,
            "livemode": false, "payload": { "stripe_customer_id": customer, "value": value.to_string() },
            "timestamp": at,
        });
        self.meter_events.push(event.clone());
        Ok(event)
    }

    fn event_summaries(&self, id: &str, parameters: &Parameters) -> StripeResult {
        let meter = self.meters.get(id).ok_or_else(|| StripeError::not_found("meter", id))?;
        let customer = parameters.required("customer")?;
        if !self.customers.contains_key(customer) {
            return Err(StripeError::resource_missing("customer", customer));
        }
        let bound = |name: &str| parameters.number(name)?.ok_or_else(|| StripeError::required(name));
        let (start, end) = (bound("start_time")?, bound("end_time")?);
        if start % 60 != 0 || end % 60 != 0 || start >= end {
            return Err(StripeError::invalid(
                "The times must be aligned with minute boundaries, and in order.",
            ));
        }
        let summary = json!({
            "id": format!("mtrusg_{start}_{end}"), "object": "billing.meter_event_summary", "livemode": false,
            "aggregated_value": self.usage(meter, customer, start, end), "start_time": start, "end_time": end, "meter": id,
        });
        Ok(list(&format!("/v1/billing/meters/{id}/event_summaries"), vec![summary], parameters))
    }

    /// Usage of a customer between two times. For a meter with pre-aggregated hourly events (`event_time_window`),
    /// only the newest event of each hour counts.
    pub(crate) fn usage(&self, meter: &Value, customer: &str, start: i64, end: i64) -> i64 {
        let by_hour = meter["event_time_window"] == "hour";
        let of_customer = |event: &&Value| {
            event["event_name"] == meter["event_name"] && event["payload"]["stripe_customer_id"] == customer
        };
        let events: Vec<&Value> = self.meter_events.iter().filter(of_customer).collect();
        let hour = |event: &Value| number(event, "timestamp").div_euclid(HOUR);
        let superseded = |index: usize| {
            by_hour && events[index + 1..].iter().any(|later| hour(later) == hour(events[index]))
        };
        let counts = |(index, event): &(usize, &&Value)| {
            (start..end).contains(&number(event, "timestamp")) && !superseded(*index)
        };
        let value = |event: &Value| text(&event["payload"], "value").parse::<i64>().unwrap_or_default();
        events.iter().enumerate().filter(counts).map(|(_, event)| value(event)).sum()
    }
}

/// `true` if the item is charged by usage.
pub(crate) fn is_metered(item: &Value) -> bool {
    item["price"]["recurring"]["usage_type"] == "metered"
}

/// Usage in each tier of a metered price, with its cost.
pub(crate) fn tiers(price: &Value, usage: i64) -> Vec<(i64, i64)> {
    if price["billing_scheme"] == "per_unit" {
        return vec![(usage, cost(text(price, "unit_amount_decimal"), usage))];
    }
    let (mut below, mut parts) = (0, Vec::new());
    for tier in price["tiers"].as_array().into_iter().flatten() {
        let up_to = tier["up_to"].as_i64().unwrap_or(i64::MAX);
        let within = usage.min(up_to) - below;
        if within > 0 {
            parts.push((within, cost(text(tier, "unit_amount_decimal"), within)));
        }
        below = up_to;
    }
    parts
}

/// Product of a decimal amount and a quantity, rounded to the nearest unit.
fn cost(amount: &str, quantity: i64) -> i64 {
    const SCALE: i128 = 1_000_000_000_000;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let fraction = format!("{fraction:0<12}");
    let scaled =
        whole.parse::<i128>().unwrap_or_default() * SCALE + fraction.parse::<i128>().unwrap_or_default();
    i64::try_from((scaled * i128::from(quantity) + SCALE / 2) / SCALE).unwrap_or(i64::MAX)
}
