// Rows that have an order, and tiers of targets: dragged by their grip, or moved with the arrow keys while it has the
// focus. A form is sent in the order in which its rows stand, so moving a row is all that there is to do.
const EDGE = 48; // px from the window's edge where dragging scrolls
const rowsOf = (list) => [...list.children].filter((one) => one.matches("[data-row]"));
const listsOf = (row) => [...row.closest("fieldset").querySelectorAll(`[data-order="${CSS.escape(row.parentElement.dataset.order)}"]`)];
const tierOf = (row) => row.closest("[data-tier], [data-tier-fresh]");
let drag = null;
let shut = new Set();

function reveal() {
  for (const one of document.querySelectorAll("[data-grip][hidden], [data-tier-fresh][hidden]")) one.hidden = false;
}

function name(row) {
  return row.querySelector("input[name$='.model'], input[name$='.name']")?.value || "the row";
}

function tell(row) {
  const tier = tierOf(row);
  const rows = rowsOf(row.parentElement);
  const where = tier ? tier.querySelector("h2").textContent.toLowerCase() : `${rows.indexOf(row) + 1} of ${rows.length}`;
  const box = (row.closest("[data-tiers]") ?? row.parentElement).querySelector(":scope > [data-told]");
  if (box) box.textContent = `${name(row)}: ${where}`;
}

// After a row has come to a tier: its priority is the tier's, the fresh one becomes real, empty ones go.
function tidy(tiers) {
  const most = Math.max(-1, ...[...tiers.querySelectorAll("[data-tier]")].map((one) => Number(one.dataset.tier)));
  const fresh = tiers.querySelector("[data-tier-fresh]");
  if (fresh?.querySelector("[data-row]")) {
    const next = fresh.cloneNode(true);
    next.querySelector("[data-order]").replaceChildren();
    fresh.after(next);
    delete fresh.dataset.tierFresh;
    fresh.classList.remove("fresh");
    fresh.querySelector(":scope > p").remove();
    fresh.dataset.tier = most + 1;
  }
  for (const tier of tiers.querySelectorAll("[data-tier]")) {
    const rows = rowsOf(tier.querySelector("[data-order]"));
    if (!rows.length) tier.remove();
    for (const row of rows) {
      const priority = row.querySelector("input[name$='.priority']");
      if ((priority.value.trim() || "0") !== tier.dataset.tier) priority.value = tier.dataset.tier;
    }
  }
  [...tiers.querySelectorAll("[data-tier]")].forEach((tier, place) => {
    tier.querySelector("h2").textContent = place ? "Then, when those fail" : "Tried first";
  });
}

function settle(row) {
  const tiers = row.closest("[data-tiers]");
  if (tiers) tidy(tiers);
  tell(row);
  row.querySelector("input:not([type=hidden])")?.dispatchEvent(new Event("input", { bubbles: true }));
}

function place(row, list, before) {
  if (row.parentElement !== list || row.nextElementSibling !== before) list.insertBefore(row, before);
}

// -- by pointer

function start(event, row) {
  drag = { row, list: row.parentElement, next: row.nextElementSibling };
  row.classList.add("dragged");
  row.closest("fieldset").classList.add("ordering");
  event.preventDefault();
}

function follow(event) {
  const { row } = drag;
  const y = event.clientY;
  if (y < EDGE || y > innerHeight - EDGE) scrollBy(0, y < EDGE ? -12 : 12);
  const box = (list) => (list.closest("[data-tier], [data-tier-fresh]") ?? list).getBoundingClientRect();
  const far = (list) => Math.max(box(list).top - y, y - box(list).bottom, 0);
  const list = listsOf(row).reduce((best, one) => far(one) < far(best) ? one : best);
  const below = rowsOf(list).filter((one) => one !== row).find((one) => {
    const { top, height } = one.getBoundingClientRect();
    return y < top + height / 2;
  });
  place(row, list, below ?? rowsOf(list).filter((one) => one !== row).at(-1)?.nextElementSibling ?? null);
}

function end(kept) {
  const { row, list, next } = drag;
  drag = null;
  row.classList.remove("dragged");
  row.closest("fieldset").classList.remove("ordering");
  if (!kept) place(row, list, next);
  else if (row.parentElement !== list || row.nextElementSibling !== next) settle(row);
  row.querySelector("[data-grip]").focus();
}

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest("[data-grip]");
  if (grip && event.button === 0) start(event, grip.closest("[data-row]"));
});
document.addEventListener("pointermove", (event) => { if (drag) follow(event); });
document.addEventListener("pointerup", () => { if (drag) end(true); });
document.addEventListener("pointercancel", () => { if (drag) end(false); });

// -- by keyboard

function shift(row, step) {
  const rows = rowsOf(row.parentElement);
  const at = rows.indexOf(row) + step;
  if (rows[at]) place(row, row.parentElement, step > 0 ? rows[at].nextElementSibling : rows[at]);
  else {
    const lists = listsOf(row);
    const list = lists[lists.indexOf(row.parentElement) + step];
    if (!list || (rows.length === 1 && !rowsOf(list).length)) return;
    place(row, list, step > 0 ? rowsOf(list)[0] ?? null : null);
  }
  settle(row);
}

document.addEventListener("keydown", (event) => {
  if (drag && event.key === "Escape") end(false);
  const grip = event.target.closest?.("[data-grip]");
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!grip || !step) return;
  event.preventDefault();
  shift(grip.closest("[data-row]"), step);
  grip.focus();
});

// A priority that is typed leads its target to the tier of that number.
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tiers] input[name$='.priority']")) return;
  const row = event.target.closest("[data-row]");
  const tiers = row.closest("[data-tiers]");
  const wanted = event.target.value.trim() || "0";
  if (!/^\d{1,3}$/.test(wanted) || tierOf(row).dataset.tier === wanted) return;
  let tier = tiers.querySelector(`[data-tier="${wanted}"]`);
  if (!tier) {
    tier = tierOf(row).cloneNode(true);
    tier.querySelector("[data-order]").replaceChildren();
    tier.dataset.tier = wanted;
    const later = [...tiers.querySelectorAll("[data-tier]")].find((one) => Number(one.dataset.tier) > Number(wanted));
    tiers.insertBefore(tier, later ?? tiers.querySelector("[data-tier-fresh]"));
  }
  tier.querySelector("[data-order]").append(row);
  tidy(tiers);
  tell(row);
});

// Rules that were folded stay so when the server has drawn them anew.
document.addEventListener("htmx:before:swap", () => {
  shut = new Set([...document.querySelectorAll(".rule > details:not([open])")].map((one) => name(one.parentElement)));
});
document.addEventListener("htmx:after:swap", () => {
  for (const one of document.querySelectorAll(".rule > details")) {
    if (shut.has(name(one.parentElement)) && !one.querySelector(".wrong")) one.open = false;
  }
  reveal();
});
reveal();
