// Entry of the console's scripts. Every page works without them; they add comfort and live updates.

const all = (selector, apply) => document.querySelectorAll(selector).forEach(apply);

// Says a text to screen readers.
export const say = (text) => {
  const announcer = document.getElementById('announcer');
  if (announcer) announcer.textContent = text;
};

// Parses a page. The policy has one name for all modules.
let policy;
export const parse = (html) => {
  policy ??= globalThis.trustedTypes?.createPolicy('hexabase', { createHTML: (text) => text });
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, 'text/html');
};

// True while a key belongs to the conversion of Japanese input.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

// Enter ends a conversion and does not send the form.
document.addEventListener(
  'keydown',
  (event) => {
    if (event.key !== 'Enter' || !isComposing(event)) return;
    event.stopPropagation();
    if (event.keyCode === 229 && event.target.form) event.preventDefault();
  },
  true,
);

// A page with errors begins at their summary; others say the message about the last action.
document.querySelector('[data-focus]')?.focus();
const flash = document.querySelector('[data-flash] p');
if (flash) setTimeout(() => say(flash.textContent));

// Times: the local time, with the server's text as title. Users who prefer UTC see the server's text.
const language = document.documentElement.lang;
const prefersUtc = document.documentElement.dataset.zone === 'utc';
const units = [['day', 86_400], ['hour', 3_600], ['minute', 60]];
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
export const localTimes = (root) =>
  root.querySelectorAll('time[datetime*="T"]').forEach((element) => {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.valueOf()) || element.title) return;
    const [utc, local] = [element.textContent, absolute.format(time)];
    element.title = `${local} · ${utc}`;
    if (prefersUtc || element.hasAttribute('data-exact')) return;
    const seconds = (time - Date.now()) / 1000;
    const unit = units.find(([, size]) => Math.abs(seconds) >= size);
    const isNear = Math.abs(seconds) < 7 * 86_400;
    const [size, name] = unit ? [unit[1], unit[0]] : [Infinity, 'minute'];
    // Short enough for one line.
    if (isNear) element.textContent = relative.format(Math.round(seconds / size) || 0, name).replaceAll(' ', '\u00a0');
    else element.textContent = local;
  });
localTimes(document);

// Menus and dialogs in browsers without invoker commands.
if (!('commandForElement' in HTMLButtonElement.prototype)) {
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('button[commandfor]');
    const target = button && document.getElementById(button.getAttribute('commandfor'));
    if (!target) return;
    const command = button.getAttribute('command');
    if (command === 'show-modal') target.showModal();
    if (command === 'close') target.close();
    if (command?.endsWith('-popover')) target.togglePopover();
  });
}

// The token of an invitation is in the fragment of its link, which browsers send to no server. It leaves the address bar.
const token = document.querySelector('input[data-fragment]');
if (token && location.hash) {
  token.value = new URLSearchParams(location.hash.slice(1)).get(token.dataset.fragment) ?? '';
  history.replaceState(null, '', location.pathname + location.search);
}

// A session that ended elsewhere: the page says so, and keeps what was entered.
const session = document.querySelector('[data-session]');
const sessionEnded = () => (session.hidden = false);
export const checkSession = async () => {
  try {
    const response = await fetch(session.dataset.session, { method: 'HEAD' });
    if (response.status === 401) sessionEnded();
  } catch {
    // The server cannot be reached; the next check says more.
  }
};
if (session) {
  const channel = new BroadcastChannel('hexabase:session');
  channel.onmessage = sessionEnded;
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && checkSession());
  all('[data-ends-session]', (part) => part.addEventListener('submit', () => channel.postMessage('ended')));
}

// Shortest and longest delay before a rejected stream of events is opened again.
const RETRY = [2_000, 60_000];

// Opens a stream of events, which reconnects until the returned function closes it. `url` returns the address for each attempt; `events` are the
// receivers by the kind of event.
export const openStream = (url, { opened, lost, events }) => {
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

// The search of the header is a dialog on Ctrl-K or ⌘K.
const palette = document.querySelector('form[data-palette]');
if (palette) {
  const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);
  palette.elements.q.placeholder = palette.dataset.palette.replace('Ctrl+', isApple ? '⌘' : 'Ctrl+');
  palette.elements.q.setAttribute('aria-keyshortcuts', 'Control+K Meta+K');
  document.addEventListener('keydown', (event) => {
    if (event.key?.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
    if (event.altKey || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    import('./palette.mjs').then(({ open }) => open(palette));
  });
}

// Copy buttons. Without the clipboard, the text is selected instead.
const SHOWN = 2_000;

// Shows the buttons of a part of the page: without scripts they would do nothing.
export const showButtons = (root) => root.querySelectorAll('[data-copy]').forEach((button) => (button.hidden = false));

showButtons(document);
document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('[data-copy]');
  const source = button?.parentElement.querySelector('code');
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button.dataset.copied);
    button.toggleAttribute('data-done', true);
    setTimeout(() => button.removeAttribute('data-done'), SHOWN);
  } catch {
    getSelection().selectAllChildren(source);
  }
});

// Fields that filter a list of the page while the user types. Without scripts they search on the server.
const filter = ({ target }) => {
  const list = target.dataset?.filter && document.getElementById(target.dataset.filter);
  if (!list) return;
  const text = target.value.trim().toLocaleLowerCase();
  for (const item of list.children) item.hidden = !item.textContent.toLocaleLowerCase().includes(text);
};

// During a conversion the text is not final.
document.addEventListener('input', (event) => event.isComposing || filter(event));
document.addEventListener('compositionend', filter);

// Forms: a second click sends nothing, and the button says what happens.
export const setBusy = (form, isBusy) => {
  form.toggleAttribute('data-sending', isBusy);
  form.setAttribute('aria-busy', String(isBusy));
  for (const button of form.querySelectorAll('button:not([hidden])')) {
    button.disabled = isBusy;
    if (!button.dataset.busy) continue;
    button.dataset.idle ??= button.textContent;
    button.textContent = isBusy ? button.dataset.busy : button.dataset.idle;
  }
};

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.hasAttribute('data-submit')) return;
  if (form.hasAttribute('data-sending')) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  // The button that was used belongs to the form until the browser has read it.
  setTimeout(() => setBusy(form, true));
}, true);
// A page that the browser kept is shown again as it was left.
addEventListener('pageshow', () => document.querySelectorAll('form[data-sending]').forEach((form) => setBusy(form, false)));

// Forms of other pages in dialogs.
if (document.querySelector('[data-dialog]')) import('./dialog.mjs');

// Live pages.
if (document.querySelector('[data-events]')) import('./live.mjs').then((live) => live.start());

// Logs that continue as they are written.
const log = document.querySelector('[data-last]');
if (log) import('./logs.mjs').then((logs) => logs.start(log));
