// Dialogs: a link to the page of a form opens it over this page. An error is shown in the dialog; success leads to the next
// page.
import { isComposing, localTimes, parse, setBusy } from './console.mjs';

const PREFIX = 'dialog-';
const REFERENCES = ['for', 'aria-describedby', 'aria-labelledby', 'list', 'commandfor', 'popovertarget'];
const headers = { accept: 'text/html', 'hexabase-dialog': '1' };

// Ids of the dialog are not those of the page below it.
const separate = (part) => {
  for (const element of part.querySelectorAll('*')) {
    if (element.id) element.id = PREFIX + element.id;
    for (const name of REFERENCES) {
      const ids = element.getAttribute(name);
      if (ids) element.setAttribute(name, ids.split(' ').map((id) => PREFIX + id).join(' '));
    }
    const href = element.getAttribute('href');
    if (href?.startsWith('#')) element.setAttribute('href', `#${PREFIX}${href.slice(1)}`);
  }
};

const dialog = document.createElement('dialog');
document.body.append(dialog);

const show = (html) => {
  const main = document.importNode(parse(html).querySelector('main'), true);
  for (const part of main.querySelectorAll('.crumbs, [data-flash], [data-session], [data-connection], #announcer, .shell')) part.remove();
  separate(main);
  localTimes(main);
  dialog.replaceChildren(...main.childNodes);
  const heading = dialog.querySelector('h1');
  if (heading) {
    heading.id ||= `${PREFIX}heading`;
    dialog.setAttribute('aria-labelledby', heading.id);
  }
  if (!dialog.open) dialog.showModal();
  const fields = 'input:not([type=hidden]):not([disabled]), select, textarea';
  (dialog.querySelector('[data-focus]') ?? dialog.querySelector(fields))?.focus();
};

// Shows a response, or goes where it leads. Returns false for one that is no page.
const follow = async (response) => {
  const next = response.headers.get('hexabase-location');
  if (next) location.assign(next);
  else if (response.redirected || !response.headers.get('content-type')?.startsWith('text/html')) return false;
  else show(await response.text());
  return true;
};

document.addEventListener('click', async (event) => {
  const link = event.target.closest?.('a[data-dialog]');
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  try {
    if (await follow(await fetch(link.href, { headers }))) return;
  } catch {
    // The page itself shows what is wrong.
  }
  location.assign(link.href);
});

dialog.addEventListener('submit', async (event) => {
  const form = event.target;
  if (form.method !== 'post' || event.defaultPrevented) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    if (await follow(await fetch(form.action, { method: 'POST', body, headers }))) return;
  } catch {
    // The entries stay in the form.
  }
  setBusy(form, false);
  const notice = document.querySelector('[data-connection]');
  if (notice && !dialog.querySelector('[data-connection]')) {
    notice.hidden = false;
    dialog.prepend(notice.cloneNode(true));
  }
});

// The link that leaves a form closes its dialog.
dialog.addEventListener('click', (event) => {
  if (!event.target.closest('.form-actions a')) return;
  event.preventDefault();
  dialog.close();
});
dialog.addEventListener('keydown', (event) => event.key === 'Escape' && isComposing(event) && event.preventDefault());
