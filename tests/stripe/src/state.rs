use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::problem::{Outcome, Problem};

/// Everything that Stripe remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) customers: BTreeMap<String, Value>,
    pub(crate) methods: BTreeMap<String, Value>,
    pub(crate) products: BTreeMap<String, Value>,
    pub(crate) prices: BTreeMap<String, Value>,
    pub(crate) coupons: BTreeMap<String, Value>,
    pub(crate) meters: BTreeMap<String, Value>,
    /// Meter events, in the order in which they came.
    pub(crate) usage: Vec<Value>,
    pub(crate) subscriptions: BTreeMap<String, Value>,
    pub(crate) invoices: BTreeMap<String, Value>,
    /// What goes onto the next invoice of a customer.
    pub(crate) pending: BTreeMap<String, Vec<Value>>,
    pub(crate) clocks: BTreeMap<String, Value>,
    pub(crate) events: Vec<Value>,
    pub(crate) endpoints: BTreeMap<String, Value>,
    counter: u64,
    pretends: bool,
    /// What time it is where no test clock says otherwise.
    pub(crate) now: i64,
}

impl State {
    /// A name for something new. Names grow with time.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}_{:014}", self.counter)
    }

    /// From now on banks pay whatever is asked: nothing comes of it.
    pub(crate) fn pretend(&mut self) {
        self.pretends = true;
    }

    pub(crate) const fn pretends(&self) -> bool {
        self.pretends
    }

    /// What time it is for a customer.
    pub(crate) fn time_of(&self, customer: &str) -> i64 {
        let clock = self.customers.get(customer).and_then(|customer| customer["test_clock"].as_str());
        let clock = clock.and_then(|clock| self.clocks.get(clock));
        clock.and_then(|clock| clock["frozen_time"].as_i64()).unwrap_or(self.now)
    }

    /// Answers a request.
    pub(crate) fn answer(&mut self, method: &str, path: &str, parameters: &Parameters) -> Outcome {
        self.catch_up();
        let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        match (method, parts.as_slice()) {
            (_, ["customers", ..] | ["payment_methods", ..] | ["setup_intents", ..]) => {
                self.customers_answer(method, &parts, parameters)
            }
            ("POST", ["checkout", "sessions"]) => self.checkout(parameters),
            ("POST", ["billing_portal", "sessions"]) => self.portal(parameters),
            (_, ["products", ..]) => self.products_answer(method, &parts[1..], parameters),
            (_, ["prices", ..]) => self.prices_answer(method, &parts[1..], parameters),
            ("POST", ["coupons"]) => self.make_coupon(parameters),
            (_, ["billing", "meters", ..]) => self.meters_answer(method, &parts[2..], parameters),
            ("POST", ["billing", "meter_events"]) => self.meter_event(parameters),
            (_, ["subscriptions", ..]) => self.subscriptions_answer(method, &parts[1..], parameters),
            (_, ["invoices", ..]) => self.invoices_answer(method, &parts[1..], parameters),
            ("GET", ["events"]) => {
                Ok(list("/v1/events", self.events.iter().rev().cloned().collect(), parameters))
            }
            ("POST", ["webhook_endpoints"]) => self.make_endpoint(parameters),
            (_, ["test_helpers", "test_clocks", ..]) => self.clocks_answer(method, &parts[2..], parameters),
            _ => Err(Problem::not_found("URL", path)),
        }
    }

    fn products_answer(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> Outcome {
        match (method, parts) {
            ("POST", []) => {
                parameters.only(&["id", "name", "metadata", "description"])?;
                let id = parameters.text("id").map_or_else(|| self.id("prod"), str::to_owned);
                if self.products.contains_key(&id) {
                    return Err(
                        Problem::invalid("Product already exists.").with_code("resource_already_exists")
                    );
                }
                let product = json!({
                    "id": id, "object": "product", "active": true, "name": parameters.need("name")?,
                    "description": parameters.text("description"), "metadata": parameters.metadata(),
                    "created": self.now, "updated": self.now, "livemode": false, "images": [], "type": "service",
                    "default_price": null, "tax_code": null, "url": null, "marketing_features": [],
                });
                self.products.insert(id, product.clone());
                Ok(product)
            }
            ("GET", [id]) => self.products.get(*id).cloned().ok_or_else(|| Problem::not_found("product", id)),
            ("POST", [id]) => {
                parameters.only(&["name", "description", "metadata"])?;
                let product = self.products.get_mut(*id).ok_or_else(|| Problem::not_found("product", id))?;
                if let Some(name) = parameters.text("name") {
                    product["name"] = json!(name);
                }
                Ok(product.clone())
            }
            _ => Err(Problem::not_found("URL", &parts.join("/"))),
        }
    }

    fn prices_answer(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> Outcome {
        match (method, parts) {
            ("POST", []) => self.make_price(parameters),
            ("GET", []) => {
                let wanted = parameters.list("lookup_keys");
                let wanted: Vec<&str> = wanted.iter().filter_map(|key| key.0.as_str()).collect();
                let active = parameters.text("active");
                let fits = |price: &&Value| {
                    let key = price["lookup_key"].as_str();
                    (wanted.is_empty() || key.is_some_and(|key| wanted.contains(&key)))
                        && active.is_none_or(|active| price["active"] == json!(active == "true"))
                };
                Ok(list("/v1/prices", self.prices.values().rev().filter(fits).cloned().collect(), parameters))
            }
            ("GET", [id]) => self.prices.get(*id).cloned().ok_or_else(|| Problem::not_found("price", id)),
            _ => Err(Problem::not_found("URL", &parts.join("/"))),
        }
    }

    fn make_price(&mut self, parameters: &Parameters) -> Outcome {
        let known = [
            "product",
            "currency",
            "unit_amount",
            "recurring",
            "lookup_key",
            "transfer_lookup_key",
            "metadata",
            "nickname",
            "unit_amount_decimal",
            "billing_scheme",
            "tiers_mode",
            "tiers",
        ];
        parameters.only(&known)?;
        let product = parameters.need("product")?.to_owned();
        if !self.products.contains_key(&product) {
            return Err(Problem::missing("product", &product));
        }
        let key = parameters.text("lookup_key");
        let taken = self.prices.values_mut().find(|price| key.is_some() && price["lookup_key"] == json!(key));
        if let Some(taken) = taken {
            if !parameters.truth("transfer_lookup_key") {
                return Err(Problem::invalid("A price already uses that lookup key."));
            }
            taken["lookup_key"] = Value::Null;
        }
        let tiers = tiers(parameters)?;
        let decimal = match (parameters.number("unit_amount")?, parameters.text("unit_amount_decimal")) {
            (Some(amount), _) => Some(amount.to_string()),
            (None, Some(decimal)) => Some(decimal.to_owned()),
            (None, None) if tiers.is_null() => return Err(Problem::required("unit_amount")),
            (None, None) => None,
        };
        let recurring = parameters.under("recurring");
        let meter = recurring.text("meter");
        if let Some(meter) = meter.filter(|meter| !self.meters.contains_key(*meter)) {
            return Err(Problem::missing("meter", meter));
        }
        let usage = recurring.text("usage_type").unwrap_or("licensed");
        if (usage == "metered") != meter.is_some() {
            return Err(Problem::invalid("A metered price needs a meter, and no other price has one."));
        }
        let id = self.id("price");
        let price = json!({
            "id": id, "object": "price", "active": true, "billing_scheme": parameters.text("billing_scheme").unwrap_or("per_unit"), "created": self.now,
            "currency": parameters.need("currency")?, "livemode": false, "lookup_key": key,
            "metadata": parameters.metadata(), "nickname": parameters.text("nickname"), "product": product,
            "recurring": {
                "interval": recurring.need("interval")?, "interval_count": 1, "meter": meter,
                "trial_period_days": null, "usage_type": usage,
            },
            "tax_behavior": "unspecified", "tiers_mode": parameters.text("tiers_mode"), "tiers": tiers, "transform_quantity": null, "type": "recurring",
            "unit_amount": decimal.as_ref().and_then(|decimal| decimal.parse::<i64>().ok()),
            "unit_amount_decimal": decimal, "custom_unit_amount": null,
        });
        self.prices.insert(id, price.clone());
        Ok(price)
    }

    fn make_coupon(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["id", "percent_off", "duration", "name"])?;
        let id = parameters.text("id").map_or_else(|| self.id("coupon"), str::to_owned);
        let percent = parameters.number("percent_off")?.ok_or_else(|| Problem::required("percent_off"))?;
        let coupon = json!({
            "id": id, "object": "coupon", "percent_off": percent, "amount_off": null, "currency": null,
            "duration": parameters.text("duration").unwrap_or("once"), "duration_in_months": null,
            "created": self.now, "livemode": false, "max_redemptions": null, "metadata": {}, "name": parameters.text("name"),
            "redeem_by": null, "times_redeemed": 0, "valid": true,
        });
        self.coupons.insert(id, coupon.clone());
        Ok(coupon)
    }

    fn clocks_answer(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> Outcome {
        match (method, parts) {
            ("POST", []) => {
                let id = self.id("clock");
                let frozen =
                    parameters.number("frozen_time")?.ok_or_else(|| Problem::required("frozen_time"))?;
                let clock = json!({
                    "id": id, "object": "test_helpers.test_clock", "created": self.now, "deletes_after": self.now + 2_592_000,
                    "frozen_time": frozen, "livemode": false, "name": parameters.text("name"), "status": "ready",
                    "status_details": {},
                });
                self.clocks.insert(id, clock.clone());
                Ok(clock)
            }
            ("POST", [id, "advance"]) => {
                let frozen =
                    parameters.number("frozen_time")?.ok_or_else(|| Problem::required("frozen_time"))?;
                let clock = self.clocks.get_mut(*id).ok_or_else(|| Problem::not_found("testclock", id))?;
                if clock["frozen_time"].as_i64() > Some(frozen) {
                    return Err(Problem::invalid("A test clock only goes forward."));
                }
                clock["frozen_time"] = json!(frozen);
                let clock = clock.clone();
                self.catch_up();
                Ok(clock)
            }
            ("GET", [id]) => self.clocks.get(*id).cloned().ok_or_else(|| Problem::not_found("testclock", id)),
            _ => Err(Problem::not_found("URL", &parts.join("/"))),
        }
    }
}

/// The tiers of a price, the last of which has no end.
fn tiers(parameters: &Parameters) -> Outcome {
    if parameters.text("billing_scheme") != Some("tiered") {
        return Ok(Value::Null);
    }
    if parameters.text("tiers_mode") != Some("graduated") {
        return Err(Problem::invalid("Only graduated tiers are known here."));
    }
    let mut tiers = Vec::new();
    for tier in parameters.list("tiers") {
        tier.only(&["up_to", "unit_amount", "unit_amount_decimal"])?;
        let up_to = match tier.need("up_to")? {
            "inf" => None,
            _ => tier.number("up_to")?,
        };
        let amount = tier.text("unit_amount_decimal").or_else(|| tier.text("unit_amount"));
        let amount = amount.ok_or_else(|| Problem::required("tiers[unit_amount]"))?;
        tiers.push(json!({
            "up_to": up_to, "unit_amount_decimal": amount, "unit_amount": amount.parse::<i64>().ok(), "flat_amount": null,
            "flat_amount_decimal": null,
        }));
    }
    match tiers.last() {
        Some(last) if last["up_to"].is_null() => Ok(Value::Array(tiers)),
        _ => Err(Problem::invalid("The last tier must have no end.")),
    }
}

/// A page of a list, as Stripe sends it (<https://docs.stripe.com/api/pagination>).
pub(crate) fn list(url: &str, all: Vec<Value>, parameters: &Parameters) -> Value {
    let limit =
        parameters.text("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize).clamp(1, 100);
    let after = parameters.text("starting_after");
    let begin =
        after.and_then(|after| all.iter().position(|it| it["id"] == after)).map_or(0, |place| place + 1);
    let data: Vec<Value> = all.iter().skip(begin).take(limit).cloned().collect();
    let has_more = begin + data.len() < all.len();
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}

/// The text at a place that always has one.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The number at a place that always has one.
pub(crate) fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_default()
}
