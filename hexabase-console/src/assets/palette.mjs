// Palette: the search of the header as a dialog. The arrow keys move between the field and the results.
import { isComposing, parse } from './console.mjs';

const QUIET = 150;
let palette;

const element = (name, properties, ...children) => {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
};

const build = (source) => {
  const form = source.cloneNode(true);
  form.removeAttribute('data-palette');
  const input = form.elements.q;
  input.placeholder = '';
  // Escape closes the dialog at once; in a search field it first empties the field.
  input.type = 'text';
  const close = element('button', { type: 'button', className: 'button quiet', ariaLabel: source.dataset.close }, '✕');
  const status = element('p', { role: 'status', className: 'note' });
  const results = element('div', { className: 'results' });
  const heading = element('div', { className: 'palette-heading' }, form, close);
  const dialog = element('dialog', { className: 'palette', ariaLabel: input.ariaLabel }, heading, status, results);
  document.body.append(dialog);
  let request;
  let timer = 0;

  const search = async () => {
    request?.abort();
    request = new AbortController();
    const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    try {
      const response = await fetch(url, { signal: request.signal, headers: { accept: 'text/html' } });
      // The session has ended.
      if (response.redirected) return void location.assign(url);
      const found = parse(await response.text()).getElementById('results');
      if (!found) return;
      results.replaceChildren(...document.importNode(found, true).childNodes);
      status.textContent = found.dataset.found;
    } catch {
      // A later search took its place, or the server cannot be reached: Enter opens the page of the search.
    }
  };
  const schedule = () => {
    clearTimeout(timer);
    timer = setTimeout(search, QUIET);
  };
  input.addEventListener('input', (event) => event.isComposing || schedule());
  input.addEventListener('compositionend', schedule);
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || isComposing(event)) return;
    const stops = [input, ...results.querySelectorAll('a')];
    const next = stops.indexOf(document.activeElement) + step;
    event.preventDefault();
    stops[(next + stops.length) % stops.length].focus();
  });
  return { dialog, input, search };
};

export const open = (source) => {
  palette ??= build(source);
  if (palette.dialog.open) return;
  palette.dialog.showModal();
  palette.input.focus();
  palette.input.select();
  palette.search();
};
