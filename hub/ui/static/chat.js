// One chat completion, streamed: what came, how long it took, what it cost. Knows nothing of the page.

// Splits a stream of bytes into the events of text/event-stream: {data} or {comment}.
export async function* events(stream) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield { data: line.slice(5).trimStart() };
      else if (line.startsWith(":")) yield { comment: line.slice(1).trim() };
    }
  }
}

async function* chunks(body) {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function addCall(calls, delta) {
  const call = calls[delta.index ?? calls.length] ??= { id: "", name: "", arguments: "" };
  if (delta.id) call.id = delta.id;
  if (delta.function?.name) call.name += delta.function.name;
  if (delta.function?.arguments) call.arguments += delta.function.arguments;
}

function take(answer, event) {
  if (event.error) answer.error = event.error.message || JSON.stringify(event.error);
  if (event.usage) answer.usage = event.usage;
  const choice = event.choices?.[0];
  if (!choice) return;
  const delta = choice.delta || choice.message || {};
  if (delta.content) answer.text += delta.content;
  if (delta.reasoning_content || delta.reasoning) answer.reasoning += delta.reasoning_content || delta.reasoning;
  for (const call of delta.tool_calls || []) addCall(answer.calls, call);
  if (choice.finish_reason) answer.finish = choice.finish_reason;
}

function fresh() {
  return { text: "", reasoning: "", calls: [], usage: null, finish: "", error: "", raw: "", target: "", attempts: "", cost: null, left: null, id: "", first: null, took: null };
}

async function refused(response, answer) {
  answer.raw = await response.text();
  try {
    const said = JSON.parse(answer.raw);
    answer.error = said.detail || said.error?.message || answer.raw;
  } catch {
    answer.error = `The hub answered ${response.status}.`;
  }
  return answer;
}

// Calls a model; `changed` is told after each event. Never throws: what went wrong stands in `error`.
export async function chat(body, { session, signal, changed }) {
  const answer = fresh();
  const began = performance.now();
  try {
    const response = await fetch("/api/v1/playground/chat", {
      method: "POST",
      headers: { "content-type": "application/json", "x-hub-session": session },
      body: JSON.stringify(body),
      signal,
    });
    answer.id = response.headers.get("x-request-id") || "";
    answer.target = response.headers.get("x-hub-model") || "";
    answer.attempts = response.headers.get("x-hub-attempts") || "";
    answer.cost = response.headers.get("x-hub-cost-usd");
    if (!response.ok) return await refused(response, answer);
    for await (const event of events(chunks(response.body))) {
      if (event.comment?.startsWith("hub-receipt")) {
        const receipt = JSON.parse(event.comment.slice("hub-receipt".length));
        answer.cost = receipt.cost_usd;
        answer.left = receipt.budget_remaining_usd;
      }
      if (event.data === undefined || event.data === "[DONE]") continue;
      answer.first ??= performance.now() - began;
      answer.raw += `${event.data}\n`;
      take(answer, JSON.parse(event.data));
      changed(answer);
    }
  } catch (error) {
    answer.error = error.name === "AbortError" ? "Stopped." : `The answer broke off: ${error.message}`;
  } finally {
    answer.took = performance.now() - began;
    changed(answer);
  }
  return answer;
}

// Calls a tool of a profile; what is returned is the text for the model and whether it is an error.
export async function callTool(profile, tool, args, session) {
  try {
    const response = await fetch(`/api/v1/playground/tools/${encodeURIComponent(profile)}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-hub-session": session },
      body: JSON.stringify({ tool, arguments: args }),
    });
    const said = await response.json();
    if (!response.ok) return { text: said.detail || "refused", failed: true };
    if (said.error) return { text: said.error.message || JSON.stringify(said.error), failed: true };
    const parts = (said.result?.content || []).map((part) => part.type === "text" ? part.text : `[${part.type}]`);
    return { text: parts.join("\n") || JSON.stringify(said.result?.structuredContent ?? said.result), failed: Boolean(said.result?.isError) };
  } catch (error) {
    return { text: error.message, failed: true };
  }
}
