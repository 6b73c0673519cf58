# Texts of the pages of billing.

add-on-nodes = Further dedicated nodes
add-on-workspaces = Further workspaces

billing-amount = Amount
billing-budget = Budget
billing-coupon = Coupon
billing-currency = Currency
billing-current-plan = Current plan
billing-day = Day
billing-default-method = Payment method
billing-description = Description
billing-hour = Hour
billing-interval = Billing interval
billing-invoices = Invoices
billing-meter = Kind of usage
billing-method = Payment method
billing-methods = Payment methods
billing-month = Usage of this month
billing-month-field = Month
billing-next-invoice = Next invoice
billing-number = Number
billing-open-invoices = Open invoices
billing-period = Period
billing-plans = Plans
billing-price = Price
billing-provider = The payment provider
billing-quantity = Quantity
billing-shell-billing = Read the billing overview
billing-shell-invoice = Read this invoice
billing-shell-invoices = List the invoices
billing-shell-methods = List the payment methods
billing-shell-plans = List the plans
billing-shell-usage = Read the usage of this period
billing-status = Status
billing-tabs = Pages of billing
billing-unknown-action = Use one of the buttons of the page
billing-usage = Usage
billing-workspace = Workspace
billing-workspace-gone = (deleted)

budget-about = A budget bounds nothing: owners and billing members get a mail when the usage beyond the included amounts has cost 80 and 100 percent of it in a month.
budget-amount-hint = Per month, such as 200 or 49.90; full-width digits are converted
budget-amount-invalid = must be an amount such as 200 or 49.90, with at most the decimals of the currency
budget-changed = The budget is changed.
budget-continues = Usage continues and is charged. To spend less, suspend workspaces or change the workloads.
budget-exceeded = The budget of this month is used up
budget-reached = { $percent } percent of this month’s budget are used
budget-remove = Remove the budget
budget-set = Set the budget

dunning-grace = A payment is missing
dunning-grace-about = Everything runs until then. A new default payment method pays open invoices immediately.
dunning-grace-until = All workspaces are suspended at
dunning-invoices = Show the invoices
dunning-methods = Change the payment method
dunning-since = The payment is missing since
dunning-suspended = The workspaces are suspended, since a payment is missing
dunning-suspended-about = Nothing is deleted. The workspaces resume as soon as the payment arrives.
dunning-suspended-since = Suspended since

error-default-payment-method = The default payment method cannot be removed. Make another one the default first
error-last-payment-method = The subscription needs a payment method. Add another one first
error-no-payment-method = The organization has no payment method. Add one first
error-order-pending = The previous order is not carried out yet. It is as soon as the payment provider responds
error-payment-failed = The payment failed. Use another payment method, or ask your bank

hosted-about = The payment provider continues on its own page. Card numbers never reach this server.
hosted-continue = Continue to the payment provider
hosted-title = Payment provider

invoice-download = Download as PDF
invoice-draft = not issued
invoice-due = To pay
invoice-file = File
invoice-lines = Lines
invoice-no-lines = Nothing is charged.
invoice-open = open
invoice-paid = paid
invoice-pdf = PDF
invoice-pdf-of = Invoice { $number } as PDF
invoice-proration = change within the period
invoice-shares = { $meter } by workspace
invoice-shares-none = No workspace used anything in this period.
invoice-subtotal = Subtotal
invoice-tax = Taxes
invoice-title = Invoice { $number }
invoice-total = Total
invoice-uncollectible = not collectible
invoice-upcoming-none = There is no next invoice
invoice-upcoming-show = Show the next invoice
invoice-void = void

invoices-none = There are no invoices
invoices-purpose = A plan with a price has an invoice for each billing interval.

leave-at-period-end = End with the paid period
leave-effect-end = The subscription ends at { $time }; nothing is refunded until then
leave-effect-now = The subscription ends immediately; the rest of the paid period is not refunded
leave-effect-plan = The organization is then on the plan { $plan } with its limits
leave-effect-usage = Usage beyond the included amounts is charged with a last invoice
leave-effect-workspaces = { $count ->
    [one] { $count } workspace is suspended, and nothing in it is deleted: { $names }
   *[other] { $count } workspaces are suspended, and nothing in them is deleted: { $names }
    }
leave-ended = The subscription has ended.
leave-is-scheduled = The subscription ends with the paid period
leave-nothing = There is nothing to end. A plan with a price begins a subscription.
leave-now = End immediately
leave-now-button = End the subscription immediately
leave-revoke = Choose a plan to continue.
leave-scheduled = The subscription ends with the paid period.
leave-title = End the subscription
leave-when = Time of the end

metered-about = Complete hours are measured. Time without measurements is not charged.
metered-api-requests = API requests
metered-by-day = Usage by day
metered-by-hour = { $meter } by day and hour
metered-by-meter = Usage by kind
metered-by-workspace = { $meter } by workspace
metered-by-workspace-caption = Usage by workspace
metered-charge = Cost
metered-consistent = matches
metered-cost = Cost beyond the included amounts
metered-cost-none = Usage is charged with a paid plan only.
metered-cpu = CPU time
metered-hours = Hours
metered-hours-caption = Usage by hour
metered-included = Included
metered-inconsistent = on its way
metered-last-day = last day with usage
metered-measured = Measured
metered-memory = Memory
metered-network-receive = Incoming traffic
metered-network-transmit = Outgoing traffic
metered-none = Nothing is measured in this month.
metered-none-that-day = Nothing is measured on this day.
metered-not-reported = not reported
metered-proof = Proof of metering
metered-proof-about = For each kind of usage that plans charge: the measured hours of the month, the amount that was reported to the payment provider, and the amount that it has. The last hours may still be on their way.
metered-proof-none = Nothing is reported: the organization has no account with the payment provider, or no plan charges usage.
metered-received = At the provider
metered-reported = reported
metered-sent = Reported
metered-storage = Storage
metered-uncharged = Not charged
metered-unit-core-hours = { $amount } core hours
metered-unit-gib = { $amount } GiB
metered-unit-gib-hours = { $amount } GiB hours
metered-unit-thousand-requests = { $amount } thousand
metered-unmeasured = Not measured
metered-used = Used

methods-about = Invoices are paid with the default payment method. Payment methods are entered on pages of the payment provider.
methods-add = Add a payment method
methods-default = default
methods-default-changed = Invoices are paid with this payment method from now on; open ones are paid immediately.
methods-make-default = Make the default
methods-needed = A payment method is needed
methods-needed-about = The payment provider has a page for it, and leads you back here.
methods-none = There is no payment method
methods-portal = Open the portal of the payment provider
methods-purpose = Plans with a price need one.
methods-remove = Remove
methods-removed = The payment method is removed.

nav-billing = Billing

order-awaits-bank = Your bank asks to confirm a payment
order-awaits-bank-about = The change takes effect after you have confirmed the payment, in the portal of the payment provider or with another payment method.
order-pending = An order is being carried out
order-pending-about = The order is stored. It is carried out as soon as the payment provider responds.
order-rejected = The last order was not carried out
order-requested = Ordered

plan-about = About the plan
plan-action = { $action }: { $plan }
plan-change-from = Current plan: { $current }. Chosen plan: { $plan }.
plan-change-refused = The plan cannot be chosen now
plan-choose = Choose this plan
plan-chosen = The plan is changed.
plan-exceeded = The organization has more than the plan allows. Delete something first
plan-free-already = This plan needs no subscription. It is the plan without one.
plan-free-by-leaving = This plan needs no subscription. End the current one to change to it.
plan-options = Options
plan-preview = Preview the change
plan-preview-about = Invoice after the change. Nothing is ordered yet.
plan-preview-free = Nothing is charged.
plan-preview-needed = Choose the interval and update the preview. Nothing is ordered by it.
plan-preview-update = Update the preview
plan-show = Show the plan
plan-trial = Trial
plan-yearly = { $price } per year

plans-about = A larger plan is charged for the rest of the period immediately; a smaller one is credited to the next invoice.
plans-compare = Compare the plans

price-beyond = { $included } included, { $price } per month for each further one
price-node = Dedicated nodes
price-usage = { $included } included, { $price } for each further { $amount }
price-workspace = Price of workspaces

subscription-active = active
subscription-canceled = ended
subscription-ended = Ended
subscription-ends = Ends
subscription-incomplete = payment pending
subscription-none = There is no subscription
subscription-past-due = payment missing
subscription-paused = paused: no payment method
subscription-renews = Renews
subscription-trial-end = Trial until
subscription-trialing = trial
subscription-unpaid = unpaid

workspace-price-added = This workspace adds { $price } to the subscription, whose plan includes { $included }. The rest of the current period is on the next invoice.
workspace-price-included = The price of the plan includes { $included } workspaces. This one adds nothing to the next invoice.
