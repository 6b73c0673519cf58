# Texts of the components, which all pages share.

shell-skip = Skip to the content
shell-error-title = Error: { $title }
navigation-label = Main navigation
navigation-open = Open the navigation
crumbs-label = Breadcrumbs
search-label = Search
search-shortcut = Search (Ctrl+K)
search-start = Start the search

switcher-label = Organization: { $organization }. Switch organization
switcher-none = Choose an organization
switcher-search = Find an organization
switcher-all = All organizations
switcher-create = Create organization
switcher-invitations = { $count ->
    [one] { $count } pending invitation
   *[other] { $count } pending invitations
    }
account-label = Account: { $user }
account-sign-out = Sign out

button-busy = Sending…
button-cancel = Cancel
button-confirm = Confirm
button-undo = Undo
field-optional = (optional)
summary-title = { $count ->
    [one] There is a problem
   *[other] There are { $count } problems
    }
dialog-close = Close
copy-label = Copy { $code }
copy-copied = Copied

pager-label = Pages
pager-first = First page
pager-next = Next page
pager-size = Rows:

meter-limited = { $used } of { $limit }
meter-unlimited = { $used }, unlimited
meter-reserved = + { $reserved } for nested projects

empty-filter-title = Nothing matches the filters
empty-filter-clear = Remove the filters
unavailable-title = { $source } is not available
unavailable-text = The rest of this page is complete. Reload it to try again.

step-waiting = waiting
step-running = in progress
step-completed = completed
step-failed = failed
steps-progress = { $completed } of { $total } steps completed

conditions-caption = Conditions
conditions-type = Condition
conditions-status = Status
conditions-reason = Reason
conditions-since = Since
condition-true = true
condition-false = false
condition-unknown = unknown

diff-removed = Removed:
diff-added = Added:
diff-nothing = nothing

chart-empty = No data in this range.
chart-table = Values as a table
chart-time = Time

danger-consequences = This happens immediately and cannot be undone:
danger-type-name = Type { $name } to confirm

shell-commands-title = Do this from a shell
