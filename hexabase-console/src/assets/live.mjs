// Live pages: elements with `data-live` follow the events of an organization. One tab of the browser holds the stream of
// each organization and passes the events on to the others; a tab then fetches its own URL again and replaces these elements by id.
import { localTimes, openStream, parse, say, showButtons } from './console.mjs';

const QUIET = 250;
const HIDDEN = 30_000;
const LOST = 5_000;
const KINDS = [
  'workspace.phase', 'workspace.drift', 'task.progress', 'members.changed', 'access.changed', 'projects.changed',
  'alerts.changed', 'billing.standing', 'billing.usage', 'billing.changed',
];

// Returns the topics that an event concerns.
const topics = (kind, data) => {
  const [object] = kind.split('.');
  return data.workspace_id ? [object, 'workspace', `workspace:${data.workspace_id}`] : [object];
};

const isBusy = (element) =>
  element.contains(document.activeElement) || element.querySelector(':popover-open, dialog[open]') !== null;

export const start = () => {
  const page = document.querySelector('[data-events]');
  const url = page.dataset.events;
  const channel = new BroadcastChannel(url);
  const notice = document.querySelector('[data-connection]');
  let timer = 0;
  let lost = 0;
  let release = () => {};
  let waiting = null;

  const refresh = async () => {
    if (!document.querySelector('[data-live][id]')) return;
    let response;
    try {
      response = await fetch(location.href, { headers: { accept: 'text/html' } });
    } catch {
      return;
    }
    if (!response.ok || response.redirected) return;
    const fresh = parse(await response.text());
    let isLater = false;
    for (const element of document.querySelectorAll('[data-live][id]')) {
      const next = fresh.getElementById(element.id);
      if (!next) continue;
      localTimes(next);
      showButtons(next);
      if (element.isEqualNode(next)) continue;
      if (isBusy(element)) isLater = true;
      else element.replaceWith(document.importNode(next, true));
    }
    const status = fresh.querySelector('[data-status]')?.textContent;
    if (status && status !== document.querySelector('[data-status]')?.textContent) say(status);
    if (isLater) document.addEventListener('focusout', () => schedule(), { once: true });
  };
  const schedule = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, QUIET);
  };
  const receive = (concerned) => {
    const own = [...document.querySelectorAll('[data-live]')].map((element) => element.dataset.live);
    if (concerned === null || own.some((topic) => concerned.includes(topic))) schedule();
  };
  const connection = (isLost) => {
    // Each attempt to reconnect fails again: the time counts from the first.
    if (isLost) return (lost ||= setTimeout(() => notice && (notice.hidden = false), LOST));
    clearTimeout(lost);
    lost = 0;
    if (notice) notice.hidden = true;
  };
  channel.onmessage = ({ data }) => ('lost' in data ? connection(data.lost) : receive(data.topics));
  const publish = (message) => {
    channel.postMessage(message);
    channel.onmessage({ data: message });
  };

  // Holds the stream until the tab has been hidden for a while or is closed.
  const stream = () =>
    new Promise((resolve) => {
      const close = openStream(() => url, {
        // Events from before the stream was open, or while it was lost, are not known.
        opened: () => {
          publish({ lost: false });
          publish({ topics: null });
        },
        lost: () => publish({ lost: true }),
        events: Object.fromEntries(KINDS.map((kind) => [kind, (data) => publish({ topics: topics(kind, data) })])),
      });
      release = () => {
        close();
        resolve();
      };
    });
  const compete = () => {
    waiting = new AbortController();
    const lock = { signal: waiting.signal };
    if (navigator.locks) navigator.locks.request(`hexabase:events:${url}`, lock, stream).catch(() => {});
    else stream();
  };
  let hidden = 0;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hidden);
    if (document.visibilityState === 'hidden') {
      hidden = setTimeout(() => {
        waiting?.abort();
        waiting = null;
        release();
      }, HIDDEN);
    } else if (!waiting) {
      compete();
      schedule();
    }
  });
  addEventListener('pagehide', () => release());
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    waiting?.abort();
    compete();
    schedule();
  });
  compete();
  // Events between the response with this page and now went to the tab that has the stream, but not to this one.
  schedule();
};
