// Streams of events, which reconnect until they are closed.
import { checkSession } from './console.mjs';

// Shortest and longest delay before a rejected stream is opened again.
const RETRY = [2_000, 60_000];

// Opens a stream, and returns a function that closes it. `url` returns the address for each attempt; `events` are the
// receivers by the kind of event.
export const open = (url, { opened, lost, events }) => {
  let source;
  let retry = 0;
  let delay = RETRY[0];
  const connect = () => {
    source = new EventSource(url());
    source.onopen = () => {
      delay = RETRY[0];
      opened();
    };
    source.onerror = () => {
      lost();
      // Browsers reconnect by themselves, but not after a response with an error, as of a proxy whose server restarts.
      if (source.readyState !== EventSource.CLOSED) return;
      checkSession();
      retry = setTimeout(connect, delay);
      delay = Math.min(2 * delay, RETRY[1]);
    };
    for (const [kind, receive] of Object.entries(events)) {
      source.addEventListener(kind, ({ data }) => receive(JSON.parse(data)));
    }
  };
  connect();
  return () => {
    clearTimeout(retry);
    source.close();
  };
};
