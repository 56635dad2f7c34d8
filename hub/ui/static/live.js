// Follows the ledger: each batch of new calls asks the server for the list as it is now.
let waiting = 0;
let source = null;
let followed = "";

const found = () => document.querySelector("[data-live]");

function refresh() {
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = 0;
    const list = found();
    if (list) window.htmx.trigger(list, "hub:entries");
  }, 400);
}

// The line above the list says what is so: not "following" before the stream is open, nor while it is away.
function tell() {
  const open = source?.readyState === EventSource.OPEN;
  for (const one of document.querySelectorAll("[data-following]")) one.hidden = (one.dataset.following === "yes") !== open;
}

// Other filters are another stream. What came while none was open is asked for once it is.
function follow() {
  const path = found()?.dataset.live ?? "";
  if (path !== followed) {
    source?.close();
    followed = path;
    source = path ? new EventSource(path) : null;
    source?.addEventListener("entry", refresh);
    source?.addEventListener("open", () => { tell(); refresh(); });
    source?.addEventListener("error", tell);
  }
  tell();
}

document.addEventListener("htmx:after:swap", follow);
addEventListener("pagehide", () => { source?.close(); followed = ""; });
addEventListener("pageshow", follow);
follow();
