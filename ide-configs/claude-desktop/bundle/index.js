// Carries MCP messages between standard input and output and the hub, both eras, without any package. Node 18 or newer.
"use strict";
const readline = require("node:readline");

const url = process.argv[2];
const key = process.env.HUB_KEY || "";
const ERA = "io.modelcontextprotocol/protocolVersion";
const MOST = 16 << 20; // characters of one message
let session = "";
let version = "";
let listening = false;

function write(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

function fail(message, text) {
  if (message.id !== undefined && message.method) write({ jsonrpc: "2.0", id: message.id, error: { code: -32000, message: text } });
}

function headers(message) {
  const params = message.params || {};
  const name = params.name ?? params.uri ?? params.taskId;
  const era = (params._meta || {})[ERA] || version;
  return {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(key && { authorization: `Bearer ${key}` }),
    ...(session && { "mcp-session-id": session }),
    ...(era && { "mcp-protocol-version": era }),
    ...(message.method && { "mcp-method": message.method }),
    ...(typeof name === "string" && /^[\x21-\x7e]+$/.test(name) && { "mcp-name": name }),
  };
}

function received(text) {
  if (!text.trim()) return;
  const message = JSON.parse(text);
  if (message.result && typeof message.result.protocolVersion === "string") version = message.result.protocolVersion;
  write(message);
}

async function events(body) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true }).replace(/\r/g, "");
    if (rest.length > MOST) throw new Error("a message of the hub is too large");
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      received(lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, "")).join("\n"));
    }
  }
}

async function carry(message) {
  try {
    const answer = await fetch(url, { method: "POST", headers: headers(message), body: JSON.stringify(message) });
    session = answer.headers.get("mcp-session-id") || session;
    const kind = answer.headers.get("content-type") || "";
    if (answer.ok && kind.startsWith("text/event-stream")) await events(answer.body);
    else await told(message, answer, await answer.text());
    if (message.method === "notifications/initialized") listen();
  } catch (error) {
    fail(message, `The hub at ${url} cannot be reached: ${(error.cause && error.cause.code) || error.message}`);
  }
}

async function told(message, answer, text) {
  if (answer.status === 401) return fail(message, "The hub does not take this key. Make a new one on its install page.");
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // not JSON: an accepted notification, or an error page
  }
  if (body && body.jsonrpc === "2.0" && (answer.ok || body.id !== undefined)) received(text);
  else if (!answer.ok) fail(message, (body && (body.detail || body.title)) || `The hub answered ${answer.status}.`);
}

// What the hub says on its own, in the older era: changes of lists, questions to the person.
async function listen() {
  if (listening || !session) return;
  listening = true;
  try {
    const answer = await fetch(url, { headers: { ...headers({}), accept: "text/event-stream" } });
    if (answer.ok) await events(answer.body);
  } catch {
    // the stream ended; the next call will tell whether the hub is there
  }
  listening = false;
}

const pending = new Set();
let before = Promise.resolve(); // the first greeting and notifications come before what follows them
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (!line.trim()) return;
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return write({ jsonrpc: "2.0", id: null, error: { code: -32700, message: "not JSON" } });
  }
  const done = before.then(() => carry(message));
  if (message.method === "initialize" || message.id === undefined) before = done;
  pending.add(done);
  done.finally(() => pending.delete(done));
}).on("close", async () => {
  await Promise.allSettled(pending);
  if (session) await fetch(url, { method: "DELETE", headers: headers({}) }).catch(() => null);
  process.exit(0);
});
