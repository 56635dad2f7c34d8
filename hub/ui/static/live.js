// Follows the ledger: each batch of new calls asks the server for the list as it is now.
let waiting = 0;

function follow(list) {
  const source = new EventSource(list.dataset.live);
  const refresh = () => {
    if (waiting) return;
    waiting = setTimeout(() => {
      waiting = 0;
      document.querySelector("[data-live]")?.dispatchEvent(new Event("hub:entries"));
    }, 400);
  };
  source.onmessage = refresh;
  source.addEventListener("entry", refresh);
  addEventListener("pagehide", () => source.close());
}

const list = document.querySelector("[data-live]");
if (list) follow(list);
