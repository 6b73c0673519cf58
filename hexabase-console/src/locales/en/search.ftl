# Texts of the search.

search-all = All organizations
search-command = Search the organization
search-count = { $count ->
    [0] No results
    [one] { $count } result
   *[other] { $count } results
    }
search-destinations = Pages and actions
search-invalid = Search for 1 to 100 characters without control characters
search-none = Nothing found
search-none-about = Search for a part of a name, display name or e-mail address. Objects that you may not see are not found.
search-partial = Only your first { $count } organizations are searched. Choose an organization to search another one.
search-text = Name contains
search-title = Search
search-truncated = There are more results. Enter a longer part of the name.
