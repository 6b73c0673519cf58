use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use crate::customers::Bank;
use crate::invoices::share;
use crate::meters::{is_metered, tiers};
use crate::parameters::Parameters;
use crate::problem::{Outcome, Problem};
use crate::state::{State, list, number, text};

impl State {
    pub(crate) fn subscriptions_answer(
        &mut self,
        method: &str,
        parts: &[&str],
        parameters: &Parameters,
    ) -> Outcome {
        let answer = match (method, parts) {
            ("POST", []) => self.subscribe(parameters)?,
            ("GET", []) => {
                let (customer, status) = (parameters.text("customer"), parameters.text("status"));
                let fits = |it: &&Value| {
                    customer.is_none_or(|customer| it["customer"] == customer)
                        && match status {
                            Some("all") => true,
                            Some(status) => it["status"] == status,
                            None => it["status"] != "canceled",
                        }
                };
                let found: Vec<Value> = self.subscriptions.values().rev().filter(fits).cloned().collect();
                let found = found.into_iter().map(|it| self.expanded(it, parameters)).collect();
                return Ok(list("/v1/subscriptions", found, parameters));
            }
            ("GET", [id]) => {
                self.subscriptions.get(*id).cloned().ok_or_else(|| Problem::not_found("subscription", id))?
            }
            ("POST", [id]) => self.change(id, parameters)?,
            ("DELETE", [id]) => self.end(id)?,
            _ => return Err(Problem::not_found("URL", &parts.join("/"))),
        };
        Ok(self.expanded(answer, parameters))
    }

    /// With the newest invoice in the place of its name, where that is asked for.
    fn expanded(&self, mut subscription: Value, parameters: &Parameters) -> Value {
        let wanted = parameters.list("expand");
        let wanted = wanted.iter().filter_map(|it| it.0.as_str()).any(|it| it.contains("latest_invoice"));
        let invoice = subscription["latest_invoice"].as_str().and_then(|id| self.invoices.get(id));
        if let Some(invoice) = invoice.filter(|_| wanted) {
            let mut invoice = invoice.clone();
            let secret = format!("pi_{}_secret_x", text(&invoice, "id"));
            invoice["confirmation_secret"] = match invoice["status"] == "open" {
                true => json!({ "client_secret": secret, "type": "payment_intent" }),
                false => Value::Null,
            };
            subscription["latest_invoice"] = invoice;
        }
        subscription
    }

    pub(crate) fn live_subscriptions(&self, customer: &str) -> Vec<Value> {
        let live = |it: &&Value| {
            it["customer"] == customer && !["canceled", "incomplete_expired"].contains(&text(it, "status"))
        };
        self.subscriptions.values().filter(live).cloned().collect()
    }

    fn item(&mut self, subscription: &str, wanted: &Parameters, period: (i64, i64)) -> Outcome {
        wanted.only(&["id", "price", "quantity", "metadata"])?;
        let name = wanted.need("price")?;
        let price = self.prices.get(name).cloned().ok_or_else(|| Problem::missing("price", name))?;
        let metered = price["recurring"]["usage_type"] == "metered";
        let quantity = match wanted.number("quantity")? {
            Some(_) if metered => return Err(Problem::invalid(METERED_QUANTITY)),
            quantity => quantity.unwrap_or(1),
        };
        let mut item = json!({
            "id": self.id("si"), "object": "subscription_item", "billing_thresholds": null, "created": self.now,
            "current_period_start": period.0, "current_period_end": period.1, "discounts": [],
            "metadata": wanted.metadata(), "price": price, "quantity": quantity, "subscription": subscription,
            "tax_rates": [],
        });
        if metered && let Some(item) = item.as_object_mut() {
            item.remove("quantity");
        }
        Ok(item)
    }

    fn subscribe(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&[
            "customer",
            "items",
            "payment_behavior",
            "proration_behavior",
            "trial_period_days",
            "discounts",
            "metadata",
            "off_session",
            "automatic_tax",
            "payment_settings",
        ])?;
        let customer = parameters.need("customer")?.to_owned();
        if self.customer(&customer).is_err() {
            return Err(Problem::missing("customer", &customer));
        }
        let before = self.clone();
        let (id, now) = (self.id("sub"), self.time_of(&customer));
        let mut items = Vec::new();
        for wanted in parameters.list("items") {
            items.push(self.item(&id, &wanted, (now, now))?);
        }
        let interval = one_interval(&items)?;
        let trial = parameters.number("trial_period_days")?.filter(|days| *days > 0);
        let trial_end = trial.map(|days| now + days * 86_400);
        let end = trial_end.unwrap_or_else(|| period_end(now, &interval));
        for item in &mut items {
            item["current_period_end"] = json!(end);
        }
        if trial.is_none() && !self.pretends() && self.bank_of(&customer).is_none() {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a \
                           default payment method.";
            return Err(Problem::invalid(message).with_code("resource_missing"));
        }
        let taxed = parameters.at("automatic_tax.enabled") == Some("true");
        let subscription = json!({
            "id": id, "object": "subscription", "application": null,
            "automatic_tax": { "disabled_reason": null, "enabled": taxed, "liability": null },
            "billing_cycle_anchor": now, "billing_mode": { "type": "flexible", "flexible": null }, "cancel_at": null,
            "cancel_at_period_end": false, "canceled_at": null,
            "cancellation_details": { "comment": null, "feedback": null, "reason": null },
            "collection_method": "charge_automatically", "created": now, "currency": items[0]["price"]["currency"],
            "customer": customer, "days_until_due": null, "default_payment_method": null, "default_tax_rates": [],
            "description": null, "discounts": self.discounts(parameters)?, "ended_at": null,
            "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
            "items": { "object": "list", "data": items, "has_more": false, "url": format!("/v1/subscription_items?subscription={id}") },
            "latest_invoice": null, "livemode": false, "metadata": parameters.metadata(), "pause_collection": null,
            "pending_setup_intent": null, "pending_update": null, "start_date": now,
            "status": if trial.is_some() { "trialing" } else { "incomplete" }, "test_clock": null,
            "trial_start": trial.map(|_| now), "trial_end": trial_end,
        });
        self.subscriptions.insert(id.clone(), subscription.clone());
        if trial.is_none() {
            let lines = lines(&subscription, now, end);
            let invoice = self.bill(&customer, Some(&subscription), lines, "subscription_create", now);
            self.remember(&id, &invoice);
            if parameters.text("payment_behavior") != Some("default_incomplete")
                && let Err(bank) = self.collect(&invoice)
                && parameters.text("payment_behavior") == Some("error_if_incomplete")
            {
                *self = before;
                return Err(refused(bank));
            }
        }
        let made = self.subscriptions.get(&id).cloned().unwrap_or_default();
        self.tell("customer.subscription.created", &made);
        Ok(made)
    }

    fn discounts(&self, parameters: &Parameters) -> Outcome {
        let mut discounts = Vec::new();
        for wanted in parameters.list("discounts") {
            let coupon = wanted.need("coupon")?;
            if !self.coupons.contains_key(coupon) {
                return Err(Problem::missing("coupon", coupon));
            }
            discounts.push(json!({ "coupon": coupon }));
        }
        Ok(Value::Array(discounts))
    }

    fn change(&mut self, id: &str, parameters: &Parameters) -> Outcome {
        parameters.only(&[
            "items",
            "cancel_at_period_end",
            "payment_behavior",
            "proration_behavior",
            "discounts",
            "metadata",
            "off_session",
        ])?;
        let found = self.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
        let old = found.ok_or_else(|| Problem::not_found("subscription", id))?;
        let customer = text(&old, "customer").to_owned();
        let (before, now) = (self.clone(), self.time_of(&customer));
        let mut new = old.clone();
        if let Some(end) = parameters.text("cancel_at_period_end") {
            new["cancel_at_period_end"] = json!(end == "true");
            new["canceled_at"] = if end == "true" { json!(now) } else { Value::Null };
        }
        if parameters.0.get("discounts").is_some() {
            new["discounts"] = self.discounts(parameters)?;
        }
        let items = self.changed_items(&old, parameters)?;
        let (was, interval) = (one_interval(items_of(&old))?, one_interval(&items)?);
        let trialing = old["status"] == "trialing";
        let anew = was != interval && !trialing;
        new["items"]["data"] = json!(items);
        let (start, end) = period_of(&old);
        if anew {
            set_period(&mut new, now, period_end(now, &interval));
        }
        let mut prorations = Vec::new();
        let behavior = parameters.text("proration_behavior").unwrap_or("create_prorations");
        if !trialing && behavior != "none" && items_of(&old) != items {
            let same = |item: &Value, all: &[Value]| {
                !anew
                    && all.iter().any(|it| {
                        it["price"]["id"] == item["price"]["id"] && it["quantity"] == item["quantity"]
                    })
            };
            let licensed = |item: &&Value| !is_metered(item);
            for item in items_of(&old).iter().filter(licensed).filter(|item| !same(item, &items)) {
                prorations.push(proration(&old, item, -1, now, (start, end)));
            }
            if anew {
                prorations.extend(lines(&new, now, period_of(&new).1));
            } else {
                let changed = items.iter().filter(licensed).filter(|item| !same(item, items_of(&old)));
                prorations.extend(changed.map(|item| proration(&new, item, 1, now, (start, end))));
            }
        }
        self.subscriptions.insert(id.to_owned(), new.clone());
        if anew || (behavior == "always_invoice" && !prorations.is_empty()) {
            let invoice = self.bill(&customer, Some(&new), prorations, "subscription_update", now);
            self.remember(id, &invoice);
            if let Err(bank) = self.collect(&invoice) {
                match parameters.text("payment_behavior") {
                    Some("error_if_incomplete") => {
                        *self = before;
                        return Err(refused(bank));
                    }
                    Some("pending_if_incomplete") => {
                        let mut waiting = old;
                        waiting["pending_update"] =
                            json!({ "expires_at": now + 82_800, "subscription_items": items });
                        waiting["latest_invoice"] = json!(invoice);
                        self.subscriptions.insert(id.to_owned(), waiting);
                    }
                    _ => self.set_status(id, "past_due"),
                }
            }
        } else {
            self.pending.entry(customer).or_default().extend(prorations);
        }
        let changed = self.subscriptions.get(id).cloned().unwrap_or_default();
        self.tell("customer.subscription.updated", &changed);
        Ok(changed)
    }

    fn changed_items(&mut self, old: &Value, parameters: &Parameters) -> Outcome<Vec<Value>> {
        let mut items = items_of(old).to_vec();
        for wanted in parameters.list("items") {
            let Some(id) = wanted.text("id") else {
                let price = wanted.need("price")?;
                if items.iter().any(|item| item["price"]["id"] == price) {
                    return Err(Problem::invalid(format!(
                        "A subscription cannot have the price {price} twice."
                    )));
                }
                let added = self.item(text(old, "id"), &wanted, period_of(old))?;
                items.push(added);
                continue;
            };
            wanted.only(&["id", "price", "quantity", "deleted"])?;
            let place = items.iter().position(|item| item["id"] == id);
            let place = place.ok_or_else(|| Problem::missing("subscription_item", id))?;
            if wanted.truth("deleted") {
                items.remove(place);
                continue;
            }
            if let Some(price) = wanted.text("price") {
                items[place]["price"] =
                    self.prices.get(price).cloned().ok_or_else(|| Problem::missing("price", price))?;
            }
            if let Some(quantity) = wanted.number("quantity")? {
                if is_metered(&items[place]) {
                    return Err(Problem::invalid(METERED_QUANTITY));
                }
                items[place]["quantity"] = json!(quantity);
            }
        }
        Ok(items)
    }

    /// Ends a subscription now.
    pub(crate) fn end(&mut self, id: &str) -> Outcome {
        let found = self.subscriptions.get(id).filter(|it| it["status"] != "canceled").cloned();
        let mut subscription = found.ok_or_else(|| Problem::not_found("subscription", id))?;
        let now = self.time_of(text(&subscription, "customer"));
        subscription["status"] = json!("canceled");
        subscription["canceled_at"] = json!(now);
        subscription["ended_at"] = json!(now);
        self.pending.remove(text(&subscription, "customer"));
        self.subscriptions.insert(id.to_owned(), subscription.clone());
        self.tell("customer.subscription.deleted", &subscription);
        Ok(subscription)
    }

    fn remember(&mut self, id: &str, invoice: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription["latest_invoice"] = json!(invoice);
        }
    }

    fn set_status(&mut self, id: &str, status: &str) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        if subscription["status"] != status {
            subscription["status"] = json!(status);
            let subscription = subscription.clone();
            self.tell("customer.subscription.updated", &subscription);
        }
    }

    /// An invoice of a subscription was paid: what waited for it happens, and it is active once none is open any more.
    pub(crate) fn settled(&mut self, id: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id)
            && subscription["pending_update"].is_object()
        {
            let items = subscription["pending_update"]["subscription_items"].take();
            subscription["items"]["data"] = items;
            subscription["pending_update"] = Value::Null;
            let subscription = subscription.clone();
            self.tell("customer.subscription.updated", &subscription);
        }
        let open =
            |it: &Value| it["status"] == "open" && it["parent"]["subscription_details"]["subscription"] == id;
        let owes = self.invoices.values().any(open);
        let status = self.subscriptions.get(id).map(|it| text(it, "status").to_owned()).unwrap_or_default();
        if !owes && ["incomplete", "past_due", "unpaid"].contains(&status.as_str()) {
            self.set_status(id, "active");
        }
    }

    /// What a subscription costs from the end of its period on.
    pub(crate) fn next_period(&self, subscription: &Value) -> Vec<Value> {
        let (_, end) = period_of(subscription);
        let interval = text(&items_of(subscription)[0]["price"]["recurring"], "interval");
        let mut all = lines(subscription, end, period_end(end, interval));
        all.extend(self.usage_lines(subscription));
        all
    }

    /// What was used in the period of a subscription.
    fn usage_lines(&self, subscription: &Value) -> Vec<Value> {
        let (start, end) = period_of(subscription);
        let customer = text(subscription, "customer");
        let mut lines = Vec::new();
        for item in items_of(subscription).iter().filter(|item| is_metered(item)) {
            let Some(meter) = self.meters.get(text(&item["price"]["recurring"], "meter")) else { continue };
            for (quantity, amount) in tiers(&item["price"], self.used(meter, customer, start, end)) {
                let mut line = line(subscription, item, amount, false, (start, end));
                line["quantity"] = json!(quantity);
                lines.push(line);
            }
        }
        lines
    }

    /// Renews what should have been renewed by now, and ends what should have ended.
    pub(crate) fn catch_up(&mut self) {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        for id in ids {
            while self.renew(&id) {}
        }
    }

    fn renew(&mut self, id: &str) -> bool {
        let Some(subscription) = self.subscriptions.get(id).cloned() else { return false };
        let customer = text(&subscription, "customer").to_owned();
        let (_, end) = period_of(&subscription);
        let live = ["trialing", "active", "past_due"].contains(&text(&subscription, "status"));
        if !live || self.time_of(&customer) < end {
            return false;
        }
        if subscription["cancel_at_period_end"] == true {
            let used = self.usage_lines(&subscription);
            if !used.is_empty() {
                let invoice = self.bill(&customer, Some(&subscription), used, "subscription_cycle", end);
                self.remember(id, &invoice);
                let _ = self.collect(&invoice);
            }
            return self.end(id).is_err();
        }
        let lines = self.next_period(&subscription);
        let interval = text(&items_of(&subscription)[0]["price"]["recurring"], "interval").to_owned();
        if let Some(known) = self.subscriptions.get_mut(id) {
            set_period(known, end, period_end(end, &interval));
        }
        let invoice = self.bill(&customer, Some(&subscription), lines, "subscription_cycle", end);
        self.remember(id, &invoice);
        match self.collect(&invoice) {
            Ok(()) if subscription["status"] == "trialing" => self.set_status(id, "active"),
            Ok(()) => {}
            Err(_) => self.set_status(id, "past_due"),
        }
        true
    }
}

const METERED_QUANTITY: &str = "A quantity cannot be given for what is metered.";

fn refused(bank: Bank) -> Problem {
    if bank == Bank::Asks { Problem::needs_action() } else { Problem::declined() }
}

fn items_of(subscription: &Value) -> &[Value] {
    subscription["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn period_of(subscription: &Value) -> (i64, i64) {
    let item = &items_of(subscription)[0];
    (number(item, "current_period_start"), number(item, "current_period_end"))
}

fn set_period(subscription: &mut Value, start: i64, end: i64) {
    if let Some(items) = subscription["items"]["data"].as_array_mut() {
        for item in items {
            item["current_period_start"] = json!(start);
            item["current_period_end"] = json!(end);
        }
    }
}

/// How often all of these are paid.
fn one_interval(items: &[Value]) -> Outcome<String> {
    let mut intervals: Vec<&str> =
        items.iter().map(|item| text(&item["price"]["recurring"], "interval")).collect();
    intervals.dedup();
    match intervals.as_slice() {
        [interval] => Ok((*interval).to_owned()),
        [] => Err(Problem::required("items")),
        _ => Err(Problem::invalid(
            "Currently, all prices of a subscription must have the same billing interval.",
        )),
    }
}

fn line(subscription: &Value, item: &Value, amount: i64, proration: bool, period: (i64, i64)) -> Value {
    let price = &item["price"];
    json!({
        "object": "line_item", "amount": amount, "currency": price["currency"],
        "description": format!("{} × {}", item["quantity"], text(price, "product")), "discount_amounts": [],
        "discountable": !proration, "discounts": [], "livemode": false, "metadata": {},
        "parent": {
            "type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": proration, "proration_details": { "credited_items": null },
                "subscription": subscription["id"], "subscription_item": item["id"],
            },
        },
        "period": { "start": period.0, "end": period.1 }, "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details", "price_details": { "price": price["id"], "product": price["product"] },
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"], "subtotal": amount, "taxes": [],
    })
}

/// What all of it costs for a whole period.
fn lines(subscription: &Value, start: i64, end: i64) -> Vec<Value> {
    let whole = |item: &Value| number(&item["price"], "unit_amount") * number(item, "quantity");
    items_of(subscription)
        .iter()
        .filter(|item| !is_metered(item))
        .map(|item| line(subscription, item, whole(item), false, (start, end)))
        .collect()
}

/// What an item costs, or is given back, for the rest of a period.
fn proration(subscription: &Value, item: &Value, sign: i64, now: i64, period: (i64, i64)) -> Value {
    let whole = number(&item["price"], "unit_amount") * number(item, "quantity");
    let amount = sign * share(whole, period.1 - now, period.1 - period.0);
    let mut line = line(subscription, item, amount, true, (now, period.1));
    let which = if sign < 0 { "Unused" } else { "Remaining" };
    line["description"] = json!(format!("{which} time on {}", text(&line, "description")));
    line
}

fn period_end(start: i64, interval: &str) -> i64 {
    let begin = Timestamp::from_second(start).unwrap_or(Timestamp::MIN).to_zoned(TimeZone::UTC);
    let span = if interval == "year" { 1.year() } else { 1.month() };
    begin.checked_add(span).map_or(i64::MAX, |end| end.timestamp().as_second())
}
