// Copy buttons. Without the clipboard, the text is selected instead.
import { say } from './console.mjs';

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
