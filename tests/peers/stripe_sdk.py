"""Drives a Stripe API at ORIGIN with Stripe's library for Python, with the calls that Hexabase makes.

python stripe_sdk.py ORIGIN. Exits with 0 if every response matches the library and Stripe's documentation.
"""

import json
import sys

import stripe

client = stripe.StripeClient(
    "sk_test_of_the_python_library", base_addresses={"api": sys.argv[1]}, max_network_retries=0
)
assert stripe.api_version == "2026-10-28.endive", stripe.api_version
v1 = client.v1
BEGIN, DAY = 1_767_225_600, 86_400


def rejected(code, call, *arguments):
    """Asserts that the call fails with this code and returns the error."""
    try:
        call(*arguments)
    except stripe.StripeError as error:
        assert error.code == code, error
        return error
    raise AssertionError(f"the call did not fail with {code}")


product = v1.products.create({"name": "Snake", "id": "python_plan"})
rejected("resource_already_exists", v1.products.create, {"name": "Snake", "id": "python_plan"})
assert v1.products.update("python_plan", {"name": "Python"}).name == "Python"


def price(amount, interval, key):
    return v1.prices.create({
        "product": product.id, "currency": "jpy", "unit_amount": amount, "recurring": {"interval": interval},
        "lookup_key": key, "transfer_lookup_key": True, "metadata": {"hexabase_plan": "python"},
    })


base, more = price(1000, "month", "python_plan"), price(300, "month", "python_workspace")
assert [it.id for it in v1.prices.list({"lookup_keys": ["python_plan"], "active": True}).data] == [base.id]

clock = v1.test_helpers.test_clocks.create({"frozen_time": BEGIN})
customer = v1.customers.create({"email": "python@example.com", "test_clock": clock.id}, {"idempotency_key": "python"})
assert v1.customers.create(
    {"email": "python@example.com", "test_clock": clock.id}, {"idempotency_key": "python"}
).id == customer.id
try:
    v1.customers.create({"name": "Other"}, {"idempotency_key": "python"})
    raise AssertionError("an idempotency key is valid for one request only")
except stripe.IdempotencyError:
    pass

rejected("resource_missing", v1.subscriptions.create, {"customer": customer.id, "items": [{"price": base.id}]})
card = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
assert v1.customers.payment_methods.list(customer.id).data[0].card.brand == "visa"
assert v1.setup_intents.create({"customer": customer.id, "usage": "off_session"}).client_secret

# Two items; the quantity of one changes.
subscription = v1.subscriptions.create({
    "customer": customer.id, "items": [{"price": base.id}, {"price": more.id, "quantity": 2}],
    "payment_behavior": "error_if_incomplete", "expand": ["latest_invoice"],
})
assert subscription.latest_invoice.total == 1600
plan, extra = subscription["items"].data
v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": BEGIN + 15 * DAY + DAY // 2})
changed = v1.subscriptions.update(subscription.id, {
    "items": [{"id": extra.id, "quantity": 5}], "proration_behavior": "create_prorations",
})
assert changed["items"].data[1].quantity == 5
upcoming = v1.invoices.create_preview({"customer": customer.id, "subscription": subscription.id})
assert upcoming.total == 1000 + 1500 + 450, upcoming.total
v1.subscriptions.update(subscription.id, {"items": [{"id": extra.id, "deleted": True}], "proration_behavior": "none"})
assert len(v1.subscriptions.retrieve(subscription.id)["items"].data) == 1

bad = v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": bad.id}})
v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": BEGIN + 40 * DAY})
assert v1.subscriptions.retrieve(subscription.id).status == "past_due"
[owed] = v1.invoices.list({"customer": customer.id, "status": "open"}).data
assert isinstance(rejected("card_declined", v1.invoices.pay, owed.id), stripe.CardError)
v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
assert v1.invoices.pay(owed.id).status == "paid"
assert v1.subscriptions.retrieve(subscription.id).status == "active"

# Usage-based price without a free tier: 0.012 yen per unit.
meter = v1.billing.meters.create({
    "display_name": "Snake", "event_name": "python_used", "event_time_window": "hour",
    "default_aggregation": {"formula": "sum"},
})
metered = v1.prices.create({
    "product": product.id, "currency": "jpy", "unit_amount_decimal": "0.012",
    "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
})
v1.subscriptions.update(subscription.id, {"items": [{"price": metered.id}]})
now = BEGIN + 40 * DAY
for value, identifier, moment in [(5_000, "a", now - 50), (7_000, "b", now - 40), (1_000, "c", now - 7_000)]:
    event = v1.billing.meter_events.create({
        "event_name": "python_used", "payload": {"stripe_customer_id": customer.id, "value": str(value)},
        "identifier": identifier, "timestamp": moment,
    })
    assert event.identifier == identifier
[summary] = v1.billing.meters.event_summaries.list(
    meter.id, {"customer": customer.id, "start_time": now - 3 * 3600, "end_time": now}
).data
assert summary.aggregated_value == 8_000, summary
upcoming = v1.invoices.create_preview({"customer": customer.id, "subscription": subscription.id})
assert [line.amount for line in upcoming.lines.data if line.quantity == 8_000] == [96], upcoming
# Deleting the item also ends the usage-based charge.
[item] = [it for it in v1.subscriptions.retrieve(subscription.id)["items"].data if it.price.id == metered.id]
v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "deleted": True}]})

v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": BEGIN + 70 * DAY})
assert v1.subscriptions.list({"customer": customer.id, "status": "all"}).data[0].status == "canceled"
assert v1.subscriptions.list({"customer": customer.id}).data == []
assert {it.id for it in v1.invoices.list({"customer": customer.id, "limit": 1}).auto_paging_iter()} >= {owed.id}

signed = json.load(sys.stdin)
event = client.construct_event(signed["payload"], signed["header"], signed["secret"])
assert event.type == "invoice.paid" and event.api_version == stripe.api_version
try:
    client.construct_event(signed["payload"] + " ", signed["header"], signed["secret"])
    raise AssertionError("an event without a valid signature is rejected")
except stripe.SignatureVerificationError:
    pass
