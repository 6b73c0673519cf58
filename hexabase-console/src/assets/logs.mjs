// Logs: new lines arrive as they are written. The view stays where the user scrolled to; a button then has their number.

import { openStream } from './console.mjs';

const MAX_LINES = 5_000;

const pad = (number, length = 2) => String(number).padStart(length, '0');
const localTime = (date) =>
  `${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
const utcTime = (date) => date.toISOString().slice(5, 23).replace('T', ' ');

// Characters that a terminal would act on, or that change the direction of text.
const printable = (text) =>
  text
    .replace(/\u001b\[[^a-zA-Z]*[a-zA-Z]?/g, '')
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');

export const start = (log) => {
  const list = log.querySelector('ol');
  const state = document.querySelector('[data-log-state]');
  const button = document.querySelector('[data-log-new]');
  const mark = log.dataset.mark;
  let times = log.className.match(/times-(\w+)/)?.[1] ?? 'utc';
  let last = log.dataset.last;
  let since = log.dataset.since;
  let waiting = [];
  let closeStream = null;

  const show = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };
  const setTime = (element) => {
    const date = new Date(element.dateTime);
    element.textContent = times === 'local' ? localTime(date) : utcTime(date);
  };
  const textOf = (text) => {
    const nodes = [];
    (mark ? printable(text).split(mark) : [printable(text)]).forEach((piece, index) => {
      if (index > 0) {
        const element = document.createElement('mark');
        element.textContent = mark;
        nodes.push(element);
      }
      nodes.push(piece);
    });
    return nodes;
  };
  const item = ({ at, pod, container, text }) => {
    const [line, time, origin, name] = ['li', 'time', 'span', 'bdi'].map((tag) => document.createElement(tag));
    time.dateTime = at;
    time.toggleAttribute('data-exact', true);
    setTime(time);
    origin.className = 'origin';
    name.textContent = `${pod}/${container}`;
    origin.append(name);
    line.append(time, ' ', origin, ' ', ...textOf(text));
    return line;
  };

  // The list is laid out from its end: at the newest line, the position is 0.
  const isAtEnd = () => log.scrollTop > -4;
  const append = () => {
    list.append(...waiting.map(item));
    waiting = [];
    while (list.childElementCount > MAX_LINES) list.firstElementChild.remove();
    button.hidden = true;
    show(state.dataset.following);
  };
  let frame = 0;
  const schedule = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (waiting.length === 0) return;
      if (isAtEnd()) return append();
      if (waiting.length > MAX_LINES) waiting.splice(0, waiting.length - MAX_LINES);
      button.textContent = button.dataset.logNew.replace('#', waiting.length);
      button.hidden = false;
      show(state.dataset.paused);
    });
  };

  const close = () => {
    closeStream?.();
    closeStream = null;
  };
  const open = () => {
    if (closeStream || !log.dataset.follow) return;
    const url = () => {
      const url = new URL(log.dataset.follow, location.href);
      url.searchParams.set('since', since);
      return url;
    };
    closeStream = openStream(url, {
      opened: () => show(state.dataset[isAtEnd() ? 'following' : 'paused']),
      lost: () => show(state.dataset.lost),
      events: {
        line: (line) => {
          if (line.id <= last) return;
          [last, since] = [line.id, line.at];
          waiting.push(line);
          schedule();
        },
        status: ({ available, message }) => show(available ? state.dataset.following : message),
        end: ({ message }) => {
          close();
          show(message);
        },
      },
    });
  };

  log.addEventListener('scroll', () => isAtEnd() && waiting.length > 0 && append(), { passive: true });
  button.addEventListener('click', () => {
    append();
    log.scrollTop = 0;
    log.focus();
  });
  // Only the tab in front has a stream.
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', (event) => event.persisted && open());

  // Choices of the presentation apply at once.
  document.querySelector('select[name=wrap]')?.addEventListener('change', ({ target }) => {
    log.classList.toggle('unwrapped', target.value === 'off');
  });
  const present = (value) => {
    log.classList.remove('times-utc', 'times-local', 'times-off');
    times = value || 'utc';
    log.classList.add(`times-${times}`);
    list.querySelectorAll('time').forEach(setTime);
  };
  document.querySelector('select[name=times]')?.addEventListener('change', ({ target }) => present(target.value));
  if (times === 'local') present('local');
  if (!document.hidden) open();
};
