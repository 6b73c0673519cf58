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
