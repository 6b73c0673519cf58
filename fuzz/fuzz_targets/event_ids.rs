//! Event ids in `Last-Event-ID`, with which a client resumes an event stream.
#![no_main]

use hexabase_fuzz::Server;
use http::{HeaderName, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let server = Server::get();
    let header = (HeaderName::from_static("last-event-id"), data);
    server.send(Method::GET, &format!("{}/events", server.organization), true, &[header], &[]);
});
