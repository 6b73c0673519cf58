use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::problem::{Outcome, Problem};
use crate::state::{State, list, number, text};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// How long Stripe takes events late, and how early.
const LATE: i64 = 35 * DAY;
const EARLY: i64 = 5 * 60;

impl State {
    pub(crate) fn meters_answer(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> Outcome {
        match (method, parts) {
            ("POST", []) => self.make_meter(parameters),
            ("GET", []) => {
                let status = parameters.text("status");
                let fits = |meter: &&Value| status.is_none_or(|status| meter["status"] == status);
                let found = self.meters.values().rev().filter(fits).cloned().collect();
                Ok(list("/v1/billing/meters", found, parameters))
            }
            ("GET", [id]) => self.meters.get(*id).cloned().ok_or_else(|| Problem::not_found("meter", id)),
            ("GET", [id, "event_summaries"]) => self.summaries(id, parameters),
            _ => Err(Problem::not_found("URL", &parts.join("/"))),
        }
    }

    fn make_meter(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&[
            "display_name",
            "event_name",
            "default_aggregation",
            "event_time_window",
            "customer_mapping",
            "value_settings",
        ])?;
        let event_name = parameters.need("event_name")?;
        if self.meters.values().any(|meter| meter["event_name"] == event_name && meter["status"] == "active")
        {
            let message = format!("There is already an active meter for the event name {event_name}.");
            return Err(Problem::invalid(message));
        }
        if parameters.at("default_aggregation.formula") != Some("sum") {
            return Err(Problem::invalid("Only the formula sum is known here."));
        }
        let key = |path: &str, otherwise: &str| parameters.at(path).unwrap_or(otherwise).to_owned();
        let id = self.id("mtr");
        let meter = json!({
            "id": id, "object": "billing.meter", "created": self.now, "updated": self.now, "livemode": false,
            "display_name": parameters.need("display_name")?, "event_name": event_name, "status": "active",
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

    /// Takes in a meter event (<https://docs.stripe.com/api/billing/meter-event/create>).
    pub(crate) fn meter_event(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["event_name", "payload", "identifier", "timestamp"])?;
        let name = parameters.need("event_name")?;
        let known = |meter: &&Value| meter["event_name"] == name && meter["status"] == "active";
        let meter = self.meters.values().find(known).cloned();
        let meter = meter
            .ok_or_else(|| Problem::invalid(format!("No active meter found for event name \"{name}\".")))?;
        let payload = parameters.under("payload");
        let customer = payload.need(text(&meter["customer_mapping"], "event_payload_key"))?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        let value = payload.number(text(&meter["value_settings"], "event_payload_key"))?;
        let value = value.ok_or_else(|| Problem::required("payload[value]"))?;
        let now = self.time_of(&customer);
        let at = parameters.number("timestamp")?.unwrap_or(now);
        if at < now - LATE || at > now + EARLY {
            return Err(Problem::invalid(
                "The timestamp must be within the past 35 calendar days or up to 5 minutes in the future.",
            ));
        }
        let identifier = parameters.text("identifier").map_or_else(|| self.id("evt"), str::to_owned);
        if identifier.len() > 100 {
            return Err(Problem::invalid("Invalid string: identifier must be at most 100 characters"));
        }
        let recent = |event: &&Value| number(event, "created") > now - DAY;
        if self.usage.iter().filter(recent).any(|event| event["identifier"] == identifier.as_str()) {
            return Err(Problem::invalid(format!("An event already exists with identifier {identifier}.")));
        }
        let event = json!({
            "object": "billing.meter_event", "created": now, "event_name": name, "identifier": identifier,
            "livemode": false, "payload": { "stripe_customer_id": customer, "value": value.to_string() },
            "timestamp": at,
        });
        self.usage.push(event.clone());
        Ok(event)
    }

    fn summaries(&self, id: &str, parameters: &Parameters) -> Outcome {
        let meter = self.meters.get(id).ok_or_else(|| Problem::not_found("meter", id))?;
        let customer = parameters.need("customer")?;
        if !self.customers.contains_key(customer) {
            return Err(Problem::missing("customer", customer));
        }
        let bound = |name: &str| parameters.number(name)?.ok_or_else(|| Problem::required(name));
        let (start, end) = (bound("start_time")?, bound("end_time")?);
        if start % 60 != 0 || end % 60 != 0 || start >= end {
            return Err(Problem::invalid("The times must be aligned with minute boundaries, and in order."));
        }
        let summary = json!({
            "id": format!("mtrusg_{start}_{end}"), "object": "billing.meter_event_summary", "livemode": false,
            "aggregated_value": self.used(meter, customer, start, end), "start_time": start, "end_time": end, "meter": id,
        });
        Ok(list(&format!("/v1/billing/meters/{id}/event_summaries"), vec![summary], parameters))
    }

    /// What a customer used between two moments. Of a meter whose events were added up by the hour before they came, the
    /// newest event of an hour counts alone.
    pub(crate) fn used(&self, meter: &Value, customer: &str, start: i64, end: i64) -> i64 {
        let by_hour = meter["event_time_window"] == "hour";
        let of = |event: &&Value| {
            event["event_name"] == meter["event_name"] && event["payload"]["stripe_customer_id"] == customer
        };
        let events: Vec<&Value> = self.usage.iter().filter(of).collect();
        let hour = |event: &Value| number(event, "timestamp").div_euclid(HOUR);
        let superseded = |place: usize| {
            by_hour && events[place + 1..].iter().any(|later| hour(later) == hour(events[place]))
        };
        let counts = |(place, event): &(usize, &&Value)| {
            (start..end).contains(&number(event, "timestamp")) && !superseded(*place)
        };
        let value = |event: &Value| text(&event["payload"], "value").parse::<i64>().unwrap_or_default();
        events.iter().enumerate().filter(counts).map(|(_, event)| value(event)).sum()
    }
}

/// Whether an item is paid for by what is used of it.
pub(crate) fn is_metered(item: &Value) -> bool {
    item["price"]["recurring"]["usage_type"] == "metered"
}

/// What so much costs at a metered price: how much of it in each of its tiers, and for how much.
pub(crate) fn tiers(price: &Value, used: i64) -> Vec<(i64, i64)> {
    if price["billing_scheme"] == "per_unit" {
        return vec![(used, cost(text(price, "unit_amount_decimal"), used))];
    }
    let (mut below, mut parts) = (0, Vec::new());
    for tier in price["tiers"].as_array().into_iter().flatten() {
        let up_to = tier["up_to"].as_i64().unwrap_or(i64::MAX);
        let within = used.min(up_to) - below;
        if within > 0 {
            parts.push((within, cost(text(tier, "unit_amount_decimal"), within)));
        }
        below = up_to;
    }
    parts
}

/// A whole number of times a decimal amount, to the nearest unit.
fn cost(amount: &str, quantity: i64) -> i64 {
    const SCALE: i128 = 1_000_000_000_000;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let fraction = format!("{fraction:0<12}");
    let scaled =
        whole.parse::<i128>().unwrap_or_default() * SCALE + fraction.parse::<i128>().unwrap_or_default();
    i64::try_from((scaled * i128::from(quantity) + SCALE / 2) / SCALE).unwrap_or(i64::MAX)
}
