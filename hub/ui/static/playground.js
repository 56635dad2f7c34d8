// The Playground's page: columns of conversations, tools in the loop, what each answer cost.
import { chat, callTool } from "./chat.js";
import { copy, say } from "./app.js";
import { snippet } from "./snippets.js";
import { answerView, messageView, toolView } from "./talk.js";

const $ = (id) => document.getElementById(id);
const bench = document.querySelector(".bench");
const MOST_ROUNDS = 8;
const NUMBERS = ["temperature", "top_p", "max_tokens", "seed"];
const TEXTS = ["reasoning_effort", "stop"];
const columns = new Map(); // model name → {box, messages}
let session = `playground-${crypto.randomUUID()}`;
let image = "";
let picked = 0; // how often an image was chosen or taken away: only the last choice counts
let running = null;
let toolsOf = null;

const chosen = () => [...new Set([...document.querySelectorAll("[name=model]")].map((input) => input.value.trim()).filter(Boolean))];

async function tools() {
  const profile = $("profile").value;
  if (!profile) return [];
  if (!toolsOf) {
    const answer = await fetch("/api/v1/me/profiles");
    if (!answer.ok) throw new Error(`The tools of ${profile} cannot be read (${answer.status}).`);
    toolsOf = Object.fromEntries((await answer.json()).items.map((one) => [one.name, one.tools]));
  }
  return toolsOf[profile] || [];
}

function parameters() {
  const given = {};
  for (const name of NUMBERS) if ($(name).value.trim()) given[name] = Number($(name).value);
  for (const name of TEXTS) if ($(name).value.trim()) given[name] = $(name).value;
  const wrong = NUMBERS.find((name) => Number.isNaN(given[name]));
  if (wrong) throw new Error(`${wrong} is a number.`);
  const extra = $("extra").value.trim();
  if (!extra) return given;
  try {
    return { ...given, ...JSON.parse(extra) };
  } catch (error) {
    throw new Error(`“More fields” is not JSON: ${error.message}`);
  }
}

function bodyOf(model, messages, known) {
  const system = $("system").value.trim();
  const body = { model, messages: system ? [{ role: "system", content: system }, ...messages] : messages, ...parameters() };
  if (known.length) body.tools = known.map((tool) => ({ type: "function", function: { name: tool.name, description: tool.description, parameters: tool.input_schema } }));
  return { ...body, stream: true, stream_options: { include_usage: true } };
}

function columnOf(model) {
  if (!columns.has(model)) {
    const box = document.createElement("section");
    box.className = "column";
    box.setAttribute("aria-label", model);
    const title = document.createElement("h2");
    title.textContent = model;
    const list = document.createElement("div");
    list.className = "messages";
    list.setAttribute("aria-live", "polite");
    box.append(title, list);
    $("columns").append(box);
    $("nothing").hidden = true;
    columns.set(model, { box, list, messages: [] });
  }
  return columns.get(model);
}

function runsByItself(tool) {
  const rule = $("approval").value;
  return rule === "all" || (rule === "read" && tool?.annotations?.readOnlyHint === true);
}

async function runTools(column, calls, known, signal) {
  for (const call of calls) {
    const tool = known.find((one) => one.name === call.name);
    let args = null;
    try { args = JSON.parse(call.arguments || "{}"); } catch { /* told to the model below */ }
    const view = toolView(call, args);
    column.list.append(view.box);
    const approved = args !== null && (runsByItself(tool) || await view.approval(signal));
    const result = args === null ? { text: "The arguments are not JSON.", failed: true }
      : approved ? await callTool($("profile").value, call.name, args, session) : { text: "The person declined this call.", failed: true };
    view.show(result);
    column.messages.push({ role: "tool", tool_call_id: call.id, content: result.text });
  }
}

async function converse(model, known, signal) {
  const column = columnOf(model);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const body = bodyOf(model, column.messages, known);
    const view = answerView(model, body);
    column.list.append(view.box);
    const answer = await chat(body, { session, signal, changed: view.update });
    view.finish(answer);
    if (answer.error) return;
    const calls = answer.calls.filter(Boolean);
    const message = { role: "assistant", content: answer.text || null };
    if (calls.length) message.tool_calls = calls.map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
    column.messages.push(message);
    if (!calls.length || signal.aborted) return;
    await runTools(column, calls, known, signal);
    if (signal.aborted) return;
  }
  say(`${model} asked for tools ${MOST_ROUNDS} times in a row; that is enough for one message.`);
}

async function send() {
  const text = $("prompt").value.trim();
  if ((!text && !image) || running) return;
  const models = chosen();
  try {
    if (!models.length) throw new Error("Name a model first.");
    parameters();
  } catch (error) {
    say(error.message);
    return;
  }
  running = new AbortController();
  $("send").disabled = true;
  $("stop").hidden = false;
  $("flash").replaceChildren();
  const content = image ? [...(text ? [{ type: "text", text }] : []), { type: "image_url", image_url: { url: image } }] : text;
  for (const [model, column] of columns) if (!models.includes(model)) { column.box.remove(); columns.delete(model); }
  const asked = models.map((model) => columnOf(model).list.appendChild(messageView("you", text, image)));
  $("prompt").value = ""; // at once: what is typed from here on is the next message
  const { signal } = running;
  const mine = picked;
  try {
    const known = await tools();
    if (mine === picked) attach(null);
    if (signal.aborted) return;
    for (const model of models) columnOf(model).messages.push({ role: "user", content });
    await Promise.all(models.map((model) => converse(model, known, signal)));
  } catch (error) {
    say(error.message); // nothing was asked yet
    for (const one of asked) one.remove();
    $("prompt").value ||= text;
  } finally {
    running = null;
    $("send").disabled = false;
    $("stop").hidden = true;
    if (idle()) $("prompt").focus();
  }
}

// Whether nobody types or chooses elsewhere, so that the keyboard may be led on.
function idle() {
  const at = document.activeElement;
  return at === document.body || Boolean(at.closest("#composer"));
}

// Images are made small enough to travel: at most 1024 pixels a side, as JPEG.
async function attach(file) {
  const mine = ++picked;
  image = "";
  $("attached").textContent = "";
  $("attachment").hidden = true;
  if (!file) {
    $("image").value = "";
    return;
  }
  try {
    const bitmap = await createImageBitmap(file);
    if (mine !== picked) return;
    const scale = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    image = canvas.toDataURL("image/jpeg", 0.85);
    $("thumb").replaceChildren(Object.assign(new Image(), { src: image, alt: "" }));
    $("attachment").hidden = false;
    $("attached").textContent = `${file.name} goes along (${canvas.width} × ${canvas.height})`;
  } catch {
    if (mine !== picked) return;
    $("image").value = "";
    say("That file cannot be read as an image.");
  }
}

function link() {
  const query = new URLSearchParams();
  for (const model of chosen()) query.append("model", model);
  for (const name of ["system", "prompt", "extra", "profile", ...NUMBERS, ...TEXTS]) if ($(name).value.trim()) query.set(name, $(name).value);
  if ($("approval").value !== "ask") query.set("approval", $("approval").value);
  return `${location.pathname}?${query}`;
}

async function asCode(kind) {
  const model = chosen()[0] || "";
  const messages = [...(columns.get(model)?.messages || [])];
  if ($("prompt").value.trim()) messages.push({ role: "user", content: $("prompt").value.trim() });
  try {
    const text = snippet(kind, bench.dataset.address, bodyOf(model, messages, await tools()));
    $("code-text").textContent = text;
    $("code-copy").dataset.copy = text;
    $("code").showModal();
  } catch (error) {
    say(error.message);
  }
}

function addModel() {
  const rows = document.querySelectorAll(".model-row");
  const row = rows[0].cloneNode(true);
  const input = row.querySelector("input");
  input.value = "";
  input.setAttribute("aria-label", `Model ${rows.length + 1}`);
  rows[rows.length - 1].after(row);
  input.focus();
  $("add-model").hidden = rows.length + 1 >= Number($("add-model").dataset.most);
}

if (bench) {
  $("send").disabled = false;
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  $("settings").addEventListener("change", () => history.replaceState(null, "", link()));
  $("add-model").addEventListener("click", addModel);
  $("stop").addEventListener("click", () => running?.abort());
  $("image").addEventListener("change", (event) => attach(event.target.files[0]));
  $("clear").addEventListener("click", () => { running?.abort(); columns.clear(); $("columns").replaceChildren(); $("nothing").hidden = false; session = `playground-${crypto.randomUUID()}`; $("prompt").focus(); });
  $("copy-as").addEventListener("change", (event) => { const kind = event.target.value; event.target.value = ""; if (kind) asCode(kind); });
  $("share").addEventListener("click", (event) => {
    history.replaceState(null, "", link());
    copy(event.target, location.href);
  });
  $("detach").addEventListener("click", () => { attach(null); $("image").focus(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
    if (event.key === "Escape" && running && !document.querySelector("dialog[open]")) running.abort();
  });
}
