// Follows the ledger: each batch of new calls asks the server for the list as it is now.
let waiting = 0;

function refresh() {
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = 0;
    const list = document.querySelector("[data-live]");
    if (list) window.htmx.trigger(list, "hub:entries");
  }, 400);
}

const list = document.querySelector("[data-live]");
if (list) {
  const source = new EventSource(list.dataset.live);
  source.addEventListener("entry", refresh);
  source.addEventListener("open", () => { document.getElementById("following").hidden = false; });
  addEventListener("pagehide", () => source.close());
}
