// Follows the ledger: each batch of new calls asks the server for the list as it is now. While somebody points at a call, or
// has the keyboard in the list, it stays as it is, so that they open the call that they mean.
const SOON = 400; // ms
const STILL = 1500; // ms without a movement after which a pointer only lies there
let moved = -STILL;
let waiting = 0;
let source = null;
let followed = "";

const found = () => document.querySelector("[data-live]");

const entered = () => found()?.contains(document.activeElement) ?? false;

function refresh() {
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = 0;
    const list = found();
    if (!list) return;
    if (entered() || performance.now() - moved < STILL) refresh();
    else window.htmx.trigger(list, "hub:entries");
    tell();
  }, SOON);
}

document.addEventListener("pointermove", (event) => { if (found()?.contains(event.target)) moved = performance.now(); });
document.addEventListener("focusin", tell);
document.addEventListener("focusout", () => setTimeout(tell));

// The line above the list says what is so: not "following" before the stream is open, nor while it is away.
function tell() {
  const state = source?.readyState !== EventSource.OPEN ? "no" : entered() ? "held" : "yes";
  for (const one of document.querySelectorAll("[data-following]")) one.hidden = one.dataset.following !== state;
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
