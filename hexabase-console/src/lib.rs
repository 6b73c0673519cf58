//! Web console of Hexabase: pages that tenants, organization owners, billing people and operators use. They are rendered
//! by the server from the same services as the HTTP API, and work without JavaScript.
