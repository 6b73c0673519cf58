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
