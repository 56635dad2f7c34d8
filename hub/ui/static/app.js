// What every page does beyond links and forms: theme, copying, dialogs, shortcuts, and safe errors of htmx.
const $ = (selector, within = document) => within.querySelector(selector);
const root = document.documentElement;

function themeNow() {
  return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function nextTheme() {
  const next = themeNow() === "dark" ? "light" : "dark";
  root.dataset.theme = next;
  localStorage.setItem("hub-theme", next);
  document.dispatchEvent(new CustomEvent("hub:theme"));
}

// Browsers have a clipboard only where the page came over HTTPS or from this machine; elsewhere a selection is copied.
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    const within = $("dialog[open]") ?? document.body;
    area.value = text;
    area.className = "sr";
    within.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

const faces = new WeakMap(); // what a button said before it was pressed

export async function copy(button, text) {
  if (!faces.has(button)) faces.set(button, button.textContent);
  button.textContent = await toClipboard(text) ? "Copied" : "Not copied";
  button.focus();
  setTimeout(() => { button.textContent = faces.get(button); }, 1500);
}

function openSheet(id) {
  const sheet = document.getElementById(id);
  if (sheet && !sheet.open) sheet.showModal();
}

// What needs a script is hidden until there is one.
function reveal(within) {
  for (const one of within.querySelectorAll("[data-copy][hidden], [data-theme-toggle][hidden], [data-shortcuts][hidden], [data-needs-script][hidden]")) {
    one.hidden = false;
  }
  for (const one of within.querySelectorAll("[data-without-script]")) one.hidden = true;
}

document.addEventListener("click", (event) => {
  const at = event.target.closest("[data-copy], [data-theme-toggle], [data-shortcuts], [data-open], [data-close]");
  if (!at) return;
  if ("copy" in at.dataset) copy(at, at.dataset.copy);
  else if ("themeToggle" in at.dataset) nextTheme();
  else if ("shortcuts" in at.dataset) openSheet("shortcuts");
  else if ("open" in at.dataset) openSheet(at.dataset.open);
  else at.closest("dialog")?.close();
});

// A form that asks first, in words of its own.
document.addEventListener("submit", (event) => {
  const words = event.submitter?.dataset.confirm || event.target.dataset.confirm;
  if (words && !window.confirm(words)) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    event.preventDefault();
    openSheet("shortcuts");
    $("#shortcuts input")?.focus();
  } else if (event.key === "/" && !typing) {
    const search = $("main input[type=search]");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  } else if (event.key === "Enter" && event.target.matches("[data-go]")) {
    $("#shortcuts .go li:not([hidden]) a")?.click();
  }
});

document.addEventListener("input", (event) => {
  const words = event.target.value?.toLowerCase() ?? "";
  if (event.target.matches("[data-go]")) {
    for (const item of document.querySelectorAll("#shortcuts .go li")) item.hidden = !item.textContent.toLowerCase().includes(words);
  }
  const list = event.target.dataset.filter;
  if (list) {
    for (const item of document.querySelectorAll(`${list} [data-text]`)) item.hidden = !item.dataset.text.toLowerCase().includes(words);
  }
});

// htmx swaps errors too: one that the hub did not write for this place is told, and what stands there stays.
document.addEventListener("htmx:before:swap", (event) => {
  const response = event.detail?.ctx?.response;
  if (response && response.status >= 500 && !response.headers.get("hx-retarget")) {
    event.preventDefault();
    say(`The hub could not do this (${response.status}). Try again; if it stays, tell its administrator.`);
  }
});
document.addEventListener("htmx:error", () => say("The hub cannot be reached. What you typed is still here."));

export function say(text) {
  const box = document.createElement("div");
  box.className = "alert";
  box.dataset.variant = "destructive";
  box.setAttribute("role", "alert");
  box.append(document.createElement("section"));
  box.firstChild.textContent = text;
  $("#flash").replaceChildren(box);
}

// Where the keyboard is after a row came or went: in the new row, or at the button that adds one.
let pressed = "";
document.addEventListener("submit", (event) => { pressed = event.submitter?.value || ""; }, true);

function refocus() {
  const [verb, path] = pressed.split(":");
  pressed = "";
  if (!["add", "when", "drop"].includes(verb) || !path) return;
  const list = verb === "drop" ? path.slice(0, path.lastIndexOf(".")) : path;
  const button = $(`button[value="add:${CSS.escape(list)}"], button[value="when:${CSS.escape(list)}"]`);
  const box = button?.closest("fieldset");
  const rows = [...box?.querySelectorAll(".item, .condition") ?? []].filter((row) => row.parentElement.closest("fieldset") === box);
  const first = verb === "drop" ? null : $("input:not([type=hidden]), select, textarea", rows.at(-1) ?? document.createElement("p"));
  (first ?? button)?.focus();
}

document.addEventListener("htmx:after:swap", () => { reveal(document); refocus(); });
reveal(document);
$(".places [aria-current]")?.scrollIntoView({ block: "nearest" });
