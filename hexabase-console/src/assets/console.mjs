// Entry of the console's scripts. Every page works without them; they add comfort and live updates.

const all = (selector, apply) => document.querySelectorAll(selector).forEach(apply);

// Says a text to screen readers.
export const say = (text) => {
  const announcer = document.getElementById('announcer');
  if (announcer) announcer.textContent = text;
};

// Forms: a second click sends nothing, and the button says what happens.
const busy = (form, isBusy) => {
  form.toggleAttribute('data-sending', isBusy);
  form.setAttribute('aria-busy', String(isBusy));
  for (const button of form.querySelectorAll('button')) {
    button.disabled = isBusy || button.hasAttribute('data-disabled');
    const text = isBusy ? button.dataset.busy : button.dataset.idle;
    if (text) {
      button.dataset.idle ??= button.textContent;
      button.textContent = text;
    }
  }
};
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post') return;
  if (form.hasAttribute('data-sending')) {
    event.preventDefault();
    return;
  }
  // The button that was used belongs to the form until the browser has read it.
  setTimeout(() => busy(form, true));
});
addEventListener('pageshow', () => all('form[data-sending]', (form) => busy(form, false)));

// Enter ends a conversion of Japanese input and does not send the form.
document.addEventListener(
  'keydown',
  (event) => {
    if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopPropagation();
    if (event.key === 'Enter' && event.keyCode === 229 && event.target.form) event.preventDefault();
  },
  true,
);

// A page with errors begins at their summary.
document.querySelector('[data-focus]')?.focus();

// Times: the local time, with the server's text as title.
const language = document.documentElement.lang;
const units = [['day', 86_400], ['hour', 3_600], ['minute', 60]];
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
export const localTimes = (root) =>
  root.querySelectorAll('time[datetime*="T"]').forEach((element) => {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.valueOf()) || element.title) return;
    const [utc, local] = [element.textContent, absolute.format(time)];
    element.title = `${local} · ${utc}`;
    if (element.hasAttribute('data-exact')) return;
    const seconds = (time - Date.now()) / 1000;
    const unit = units.find(([, size]) => Math.abs(seconds) >= size);
    const isNear = Math.abs(seconds) < 7 * 86_400;
    if (isNear) element.textContent = unit ? relative.format(Math.round(seconds / unit[1]), unit[0]) : relative.format(0, 'minute');
    else element.textContent = local;
  });
localTimes(document);

// Copy buttons.
export const copyButtons = (root) => root.querySelectorAll('[data-copy]').forEach((button) => (button.hidden = false));
copyButtons(document);
document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('[data-copy]');
  const source = button?.parentElement.querySelector('code');
  if (!source) return;
  try {
    await navigator.clipboard.writeText(source.textContent);
    say(button.dataset.copied);
    button.toggleAttribute('data-done', true);
    setTimeout(() => button.removeAttribute('data-done'), 2_000);
  } catch {
    getSelection().selectAllChildren(source);
  }
});

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
if (session) {
  const channel = new BroadcastChannel('hexabase:session');
  const ended = () => (session.hidden = false);
  const check = async () => {
    try {
      const response = await fetch(session.dataset.session, { method: 'HEAD' });
      if (response.status === 401) ended();
    } catch {
      // The server cannot be reached; the next check says more.
    }
  };
  channel.onmessage = ended;
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && check());
  all('[data-ends-session]', (part) => part.addEventListener('submit', () => channel.postMessage('ended')));
}

// Live pages.
if (document.querySelector('[data-events]')) import('./live.mjs').then((live) => live.start());

// Logs that continue as they are written.
const log = document.querySelector('[data-last]');
if (log) import('./logs.mjs').then((logs) => logs.start(log));
