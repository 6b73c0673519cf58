use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::{StripeError, StripeResult};
use crate::parameters::Parameters;

/// State of the stand-in.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) customers: BTreeMap<String, Value>,
    pub(crate) payment_methods: BTreeMap<String, Value>,
    pub(crate) products: BTreeMap<String, Value>,
    pub(crate) prices: BTreeMap<String, Value>,
    pub(crate) coupons: BTreeMap<String, Value>,
    pub(crate) meters: BTreeMap<String, Value>,
    /// Meter events in the order of arrival.
    pub(crate) meter_events: Vec<Value>,
    pub(crate) subscriptions: BTreeMap<String, Value>,
    pub(crate) invoices: BTreeMap<String, Value>,
    /// Lines for the next invoice of each customer.
    pub(crate) pending_lines: BTreeMap<String, Vec<Value>>,
    pub(crate) clocks: BTreeMap<String, Value>,
    pub(crate) events: Vec<Value>,
    pub(crate) endpoints: BTreeMap<String, Value>,
    counter: u64,
    is_preview: bool,
    /// Current time of customers without a test clock, in seconds since the epoch.
    pub(crate) now: i64,
}

impl State {
    /// Returns a new id. Ids sort by creation.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}_{:014}", self.counter)
    }

    /// Marks this copy of the state as a preview, in which every charge succeeds.
    pub(crate) fn start_preview(&mut self) {
        self.is_preview = true;
    }

    pub(crate) const fn is_preview(&self) -> bool {
        self.is_preview
    }

    /// Current time of a customer, in seconds since the epoch.
    pub(crate) fn time_of(&self, customer: &str) -> i64 {
        let clock = self.customers.get(customer).and_then(|customer| customer["test_clock"].as_str());
        let clock = clock.and_then(|clock| self.clocks.get(clock));
        clock.and_then(|clock| clock["frozen_time"].as_i64()).unwrap_or(self.now)
    }

    /// Handles a request.
    pub(crate) fn handle(&mut self, method: &str, path: &str, parameters: &Parameters) -> StripeResult {
        self.catch_up();
        let parts: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        match (method, parts.as_slice()) {
            (_, ["customers", ..] | ["payment_methods", ..] | ["setup_intents", ..]) => {
                self.handle_customers(method, &parts, parameters)
            }
            ("POST", ["checkout", "sessions"]) => self.create_checkout_session(parameters),
            ("POST", ["billing_portal", "sessions"]) => self.create_portal_session(parameters),
            (_, ["products", ..]) => self.handle_products(method, &parts[1..], parameters),
            (_, ["prices", ..]) => self.handle_prices(method, &parts[1..], parameters),
            ("POST", ["coupons"]) => self.create_coupon(parameters),
            (_, ["billing", "meters", ..]) => self.handle_meters(method, &parts[2..], parameters),
            ("POST", ["billing", "meter_events"]) => self.create_meter_event(parameters),
            (_, ["subscriptions", ..]) => self.handle_subscriptions(method, &parts[1..], parameters),
            (_, ["invoices", ..]) => self.handle_invoices(method, &parts[1..], parameters),
            ("GET", ["events"]) => {
                Ok(list("/v1/events", self.events.iter().rev().cloned().collect(), parameters))
            }
            ("POST", ["webhook_endpoints"]) => self.create_endpoint(parameters),
            (_, ["test_helpers", "test_clocks", ..]) => self.handle_clocks(method, &parts[2..], parameters),
            _ => Err(StripeError::not_found("URL", path)),
        }
    }

    fn handle_products(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> StripeResult {
        match (method, parts) {
            ("POST", []) => {
                parameters.reject_unknown(&["id", "name", "metadata", "description"])?;
                let id = parameters.text("id").map_or_else(|| self.id("prod"), str::to_owned);
                if self.products.contains_key(&id) {
                    return Err(
                        StripeError::invalid("Product already exists.").with_code("resource_already_exists")
                    );
                }
                let product = json!({
                    "id": id, "object": "product", "active": true, "name": parameters.required("name")?,
                    "description": parameters.text("description"), "metadata": parameters.metadata(),
                    "created": self.now, "updated": self.now, "livemode": false, "images": [], "type": "service",
                    "default_price": null, "tax_code": null, "url": null, "marketing_features": [],
                });
                self.products.insert(id, product.clone());
                Ok(product)
            }
            ("GET", [id]) => {
                self.products.get(*id).cloned().ok_or_else(|| StripeError::not_found("product", id))
            }
            ("POST", [id]) => {
                parameters.reject_unknown(&["name", "description", "metadata"])?;
                let product =
                    self.products.get_mut(*id).ok_or_else(|| StripeError::not_found("product", id))?;
                if let Some(name) = parameters.text("name") {
                    product["name"] = json!(name);
                }
                Ok(product.clone())
            }
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }

    fn handle_prices(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> StripeResult {
        match (method, parts) {
            ("POST", []) => self.create_price(parameters),
            ("GET", []) => {
                let lookup_keys = parameters.list("lookup_keys");
                let lookup_keys: Vec<&str> = lookup_keys.iter().filter_map(|key| key.0.as_str()).collect();
                let active = parameters.text("active");
                let matches = |price: &&Value| {
                    let key = price["lookup_key"].as_str();
                    (lookup_keys.is_empty() || key.is_some_and(|key| lookup_keys.contains(&key)))
                        && active.is_none_or(|active| price["active"] == json!(active == "true"))
                };
                Ok(list(
                    "/v1/prices",
                    self.prices.values().rev().filter(matches).cloned().collect(),
                    parameters,
                ))
            }
            ("GET", [id]) => self.prices.get(*id).cloned().ok_or_else(|| StripeError::not_found("price", id)),
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }

    fn create_price(&mut self, parameters: &Parameters) -> StripeResult {
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
        parameters.reject_unknown(&known)?;
        let product = parameters.required("product")?.to_owned();
        if !self.products.contains_key(&product) {
            return Err(StripeError::resource_missing("product", &product));
        }
        let key = parameters.text("lookup_key");
        let existing =
            self.prices.values_mut().find(|price| key.is_some() && price["lookup_key"] == json!(key));
        if let Some(existing) = existing {
            if !parameters.flag("transfer_lookup_key") {
                return Err(StripeError::invalid("A price already uses that lookup key."));
            }
            existing["lookup_key"] = Value::Null;
        }
        let tiers = tiers(parameters)?;
        let decimal = match (parameters.number("unit_amount")?, parameters.text("unit_amount_decimal")) {
            (Some(amount), _) => Some(amount.to_string()),
            (None, Some(decimal)) => Some(decimal.to_owned()),
            (None, None) if tiers.is_null() => return Err(StripeError::required("unit_amount")),
            (None, None) => None,
        };
        let recurring = parameters.object("recurring");
        let meter = recurring.text("meter");
        if let Some(meter) = meter.filter(|meter| !self.meters.contains_key(*meter)) {
            return Err(StripeError::resource_missing("meter", meter));
        }
        let usage = recurring.text("usage_type").unwrap_or("licensed");
        if (usage == "metered") != meter.is_some() {
            return Err(StripeError::invalid("A metered price needs a meter, and no other price has one."));
        }
        let id = self.id("price");
        let price = json!({
            "id": id, "object": "price", "active": true, "billing_scheme": parameters.text("billing_scheme").unwrap_or("per_unit"), "created": self.now,
            "currency": parameters.required("currency")?, "livemode": false, "lookup_key": key,
            "metadata": parameters.metadata(), "nickname": parameters.text("nickname"), "product": product,
            "recurring": {
                "interval": recurring.required("interval")?, "interval_count": 1, "meter": meter,
                "trial_period_days": null, "usage_type": usage,
            },
            "tax_behavior": "unspecified", "tiers_mode": parameters.text("tiers_mode"), "tiers": tiers, "transform_quantity": null, "type": "recurring",
            "unit_amount": decimal.as_ref().and_then(|decimal| decimal.parse::<i64>().ok()),
            "unit_amount_decimal": decimal, "custom_unit_amount": null,
        });
        self.prices.insert(id, price.clone());
        Ok(price)
    }

    fn create_coupon(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["id", "percent_off", "duration", "name"])?;
        let id = parameters.text("id").map_or_else(|| self.id("coupon"), str::to_owned);
        let percent =
            parameters.number("percent_off")?.ok_or_else(|| StripeError::required("percent_off"))?;
        let coupon = json!({
            "id": id, "object": "coupon", "percent_off": percent, "amount_off": null, "currency": null,
            "duration": parameters.text("duration").unwrap_or("once"), "duration_in_months": null,
            "created": self.now, "livemode": false, "max_redemptions": null, "metadata": {}, "name": parameters.text("name"),
            "redeem_by": null, "times_redeemed": 0, "valid": true,
        });
        self.coupons.insert(id, coupon.clone());
        Ok(coupon)
    }

    fn handle_clocks(&mut self, method: &str, parts: &[&str], parameters: &Parameters) -> StripeResult {
        match (method, parts) {
            ("POST", []) => {
                let id = self.id("clock");
                let frozen =
                    parameters.number("frozen_time")?.ok_or_else(|| StripeError::required("frozen_time"))?;
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
                    parameters.number("frozen_time")?.ok_or_else(|| StripeError::required("frozen_time"))?;
                let clock =
                    self.clocks.get_mut(*id).ok_or_else(|| StripeError::not_found("testclock", id))?;
                if clock["frozen_time"].as_i64() > Some(frozen) {
                    return Err(StripeError::invalid("A test clock can only be advanced."));
                }
                clock["frozen_time"] = json!(frozen);
                let clock = clock.clone();
                self.catch_up();
                Ok(clock)
            }
            ("GET", [id]) => {
                self.clocks.get(*id).cloned().ok_or_else(|| StripeError::not_found("testclock", id))
            }
            _ => Err(StripeError::not_found("URL", &parts.join("/"))),
        }
    }
}

/// Tiers of a price. The last one has no upper bound.
fn tiers(parameters: &Parameters) -> StripeResult {
    if parameters.text("billing_scheme") != Some("tiered") {
        return Ok(Value::Null);
    }
    if parameters.text("tiers_mode") != Some("graduated") {
        return Err(StripeError::invalid("The stand-in supports only graduated tiers."));
    }
    let mut tiers = Vec::new();
    for tier in parameters.list("tiers") {
        tier.reject_unknown(&["up_to", "unit_amount", "unit_amount_decimal"])?;
        let up_to = match tier.required("up_to")? {
            "inf" => None,
            _ => tier.number("up_to")?,
        };
        let amount = tier.text("unit_amount_decimal").or_else(|| tier.text("unit_amount"));
        let amount = amount.ok_or_else(|| StripeError::required("tiers[unit_amount]"))?;
        tiers.push(json!({
            "up_to": up_to, "unit_amount_decimal": amount, "unit_amount": amount.parse::<i64>().ok(), "flat_amount": null,
            "flat_amount_decimal": null,
        }));
    }
    match tiers.last() {
        Some(last) if last["up_to"].is_null() => Ok(Value::Array(tiers)),
        _ => Err(StripeError::invalid("The last tier must have no upper bound.")),
    }
}

/// Page of a list (<https://docs.stripe.com/api/pagination>).
pub(crate) fn list(url: &str, all: Vec<Value>, parameters: &Parameters) -> Value {
    let limit =
        parameters.text("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize).clamp(1, 100);
    let after = parameters.text("starting_after");
    let start =
        after.and_then(|after| all.iter().position(|it| it["id"] == after)).map_or(0, |index| index + 1);
    let data: Vec<Value> = all.iter().skip(start).take(limit).cloned().collect();
    let has_more = start + data.len() < all.len();
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}

/// Text in a field that is always present.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Number in a field that is always present.
pub(crate) fn number(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_default()
}
