//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>).

use hexabase_core::error::{Error, Result};

/// Maximum size in bytes of one event.
const MAX_EVENT_SIZE: usize = 1 << 20;

/// Event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::command) struct StreamEvent {
    /// Id with which the stream can be resumed; empty if the event has none.
    pub(in crate::command) id: String,
    /// Name of the event.
    pub(in crate::command) name: String,
    /// Content of the event.
    pub(in crate::command) data: String,
}

/// Decoder of the bytes of a stream.
#[derive(Debug, Default)]
struct Decoder {
    /// Bytes of the last line, which is incomplete.
    line: Vec<u8>,
    event: StreamEvent,
    has_data: bool,
}

impl Decoder {
    /// Adds bytes, and returns the events that they complete.
    ///
    /// # Errors
    /// `Unavailable` for an event that is too large.
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.event.data.len() > MAX_EVENT_SIZE {
                    return Err(Error::unavailable("an event of the server is too large"));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.push_line(line.trim_end_matches('\r')));
        }
        Ok(events)
    }

    /// Adds a line. An empty line completes an event.
    fn push_line(&mut self, line: &str) -> Option<StreamEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut self.event.id),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // Comments keep the connection open; `retry` does not apply.
            _ => {}
        }
        None
    }
}

/// Open stream of server-sent events.
pub(in crate::command) struct EventStream {
    response: reqwest::Response,
    decoder: Decoder,
    pending: std::collections::VecDeque<StreamEvent>,
    url: String,
}

impl EventStream {
    pub(super) fn new(response: reqwest::Response, url: String) -> Self {
        Self { response, decoder: Decoder::default(), pending: std::collections::VecDeque::new(), url }
    }

    /// Returns the next event; `None` if the server has ended the stream.
    ///
    /// # Errors
    /// `Unavailable` if the connection is interrupted.
    pub(in crate::command) async fn next(&mut self) -> Result<Option<StreamEvent>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            let interrupted = |error: reqwest::Error| {
                Error::unavailable(format!("the connection to {} was interrupted", self.url))
                    .caused_by(error.without_url())
            };
            match self.response.chunk().await.map_err(interrupted)? {
                Some(chunk) => self.pending.extend(self.decoder.push(&chunk)?),
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_decoded_however_the_bytes_are_divided() {
        let text = ": hello\n\nid: 7\r\nevent: line\r\ndata: {\"a\":\"ü\"}\r\n\r\ndata:x\ndata: y\n\nevent: none\n\n";
        let event = |id: &str, name: &str, data: &str| StreamEvent {
            id: id.to_owned(),
            name: name.to_owned(),
            data: data.to_owned(),
        };
        let expected = [event("7", "line", "{\"a\":\"ü\"}"), event("", "", "x\ny")];
        for size in [1, 2, 3, 7, 1000] {
            let mut decoder = Decoder::default();
            let found: Vec<_> =
                text.as_bytes().chunks(size).flat_map(|chunk| decoder.push(chunk).unwrap()).collect();
            assert_eq!(found, expected, "chunks of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_bounded() {
        let mut decoder = Decoder::default();
        let line = format!("data: {}\n", "x".repeat(1000));
        let failed = (0..2000).any(|_| decoder.push(line.as_bytes()).is_err());
        assert!(failed);
    }
}
