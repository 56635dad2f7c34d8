// What arrives while somebody presses or sends waits for that moment: no click and no typed text is lost to it.
const PATIENCE = 10_000; // ms after which a form that led nowhere may be sent again
const KEYS = "input:not([type=hidden]), select, textarea, button:not(.sr)";

// -- A form is sent once. One whose answer comes into the page takes nothing until it is there, since that would be lost.
let sent = new WeakMap();
let left = null; // where the keyboard was in a form that is on its way

document.addEventListener("submit", (event) => {
  if (!event.target.inert) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || form.hasAttribute("hx-post")) return;
  if (performance.now() - (sent.get(form) ?? -PATIENCE) < PATIENCE) event.preventDefault();
  else sent.set(form, performance.now());
});
addEventListener("pageshow", () => { sent = new WeakMap(); });

function wait(form, waits) {
  form.inert = waits;
  form.ariaBusy = waits ? "true" : null;
}

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const form = ctx.sourceElement;
  if (!form.matches("form[hx-post]")) return;
  left = form.contains(document.activeElement) ? document.activeElement : null;
  wait(form, true);
});

// The keyboard goes on where it was, or at the first field that is wrong.
function resume(within) {
  const at = document.activeElement;
  if (!left || !(at === document.body || at.autofocus)) return;
  const same = [...within.querySelectorAll(KEYS)].find((one) => one === left || (one.name === left.name && one.value === left.value));
  (within.querySelector("[aria-invalid=true]") ?? same)?.focus();
  left = null;
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  resume(document.getElementById(ctx.target.id) ?? document); // a form that came anew
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!ctx.sourceElement?.matches("form[hx-post]")) return;
  wait(ctx.sourceElement, false);
  resume(ctx.sourceElement);
});

// -- All that is typed into one field of a filter is one step of the history: going back leads to before it.
let typing = null;

document.addEventListener("htmx:before:history:update", ({ detail: { history } }) => {
  const field = document.activeElement?.matches(".filters input") ? document.activeElement : null;
  if (field && field === typing) history.type = "replace";
  typing = field;
});
addEventListener("popstate", () => { typing = null; });
document.addEventListener("focusout", () => { typing = null; });

// -- What is pressed stays until it is let go: a list is not taken away between the two halves of a click.
let down = null;
const held = new Map(); // what is to be filled → with what

document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  if (!(down?.isConnected && ctx.target?.contains?.(down))) return;
  event.preventDefault();
  held.set(ctx.target, ctx);
});

function release(event) {
  if (!down) return;
  const leads = event.type === "pointerup" && !event.ctrlKey && !event.metaKey && !event.shiftKey && down.closest("a[href]:not([download])");
  down = null;
  setTimeout(() => {
    const all = [...held];
    held.clear();
    if (!leads) for (const [target, ctx] of all) if (target.isConnected) window.htmx.swap(ctx);
  });
}

document.addEventListener("pointerdown", (event) => { if (event.button === 0) down = event.target; }, true);
document.addEventListener("pointerup", release, true);
document.addEventListener("pointercancel", release, true);
