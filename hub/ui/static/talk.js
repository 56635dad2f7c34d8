// How a conversation looks: messages, answers as they grow, tool calls that wait for a yes. Text only, never markup.
const REDRAW = 60; // ms: a fast stream is not drawn event by event

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function fold(summary, text) {
  const details = make("details");
  const pre = make("pre", "", text);
  pre.tabIndex = 0;
  details.append(make("summary", "", summary), pre);
  return details;
}

export function messageView(from, text, image) {
  const box = make("div", `message ${from === "you" ? "user" : "assistant"}`);
  box.append(make("span", "from", from));
  if (text) box.append(make("div", "text", text));
  if (image) {
    const shown = make("img");
    shown.src = image;
    shown.alt = "attached image";
    box.append(shown);
  }
  return box;
}

const milliseconds = (value) => value == null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${Math.round(value)} ms`;

function factsOf(answer) {
  const usage = answer.usage || {};
  const facts = [];
  if (answer.target) facts.push(`by ${answer.target}`);
  if (Number(answer.attempts) > 1) facts.push(`${answer.attempts} attempts`);
  if (usage.prompt_tokens != null) facts.push(`${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
  if (!answer.error || answer.cost != null) facts.push(answer.cost == null ? "cost unknown" : `$${answer.cost}`);
  facts.push(`first after ${milliseconds(answer.first)}, done after ${milliseconds(answer.took)}`);
  if (answer.left != null) facts.push(`$${answer.left} of the budget left`);
  if (answer.finish && answer.finish !== "stop" && answer.finish !== "tool_calls") facts.push(`ended by ${answer.finish}`);
  return facts;
}

// The plan is asked for when somebody opens it.
function planView(model) {
  const details = fold("Plan", "…");
  let asked = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || asked) return;
    asked = true;
    try {
      const answer = await fetch(`/api/v1/explain?${new URLSearchParams({ model })}`);
      details.lastChild.textContent = JSON.stringify(await answer.json(), null, 2);
    } catch (error) {
      asked = false; // opened again, it is asked for again
      details.lastChild.textContent = `The plan cannot be read: ${error.message}`;
    }
  });
  return details;
}

export function answerView(model, body) {
  const box = make("div", "message assistant");
  const reasoning = make("details");
  const thoughts = make("div", "text");
  reasoning.append(make("summary", "", "Reasoning"), thoughts);
  reasoning.hidden = true;
  const text = make("div", "text waiting");
  box.append(make("span", "from", model), reasoning, text);
  let drawn = 0;
  const draw = (answer) => {
    text.textContent = answer.text;
    thoughts.textContent = answer.reasoning;
    reasoning.hidden = !answer.reasoning;
  };
  return {
    box,
    update(answer) {
      if (performance.now() - drawn < REDRAW) return;
      drawn = performance.now();
      draw(answer);
    },
    finish(answer) {
      draw(answer);
      text.classList.remove("waiting");
      if (!answer.text) text.remove();
      if (answer.error) {
        const failed = make("div", "failed", answer.error);
        failed.setAttribute("role", "alert");
        box.append(failed);
      }
      const line = make("div", "facts-line");
      for (const fact of factsOf(answer)) line.append(make("span", "", fact));
      if (answer.id) {
        const log = make("a", "", "log");
        log.href = `/console/logs?${new URLSearchParams({ request_id: answer.id })}`;
        line.append(log);
      }
      const folds = make("div", "folds");
      folds.append(planView(model), fold("Request", JSON.stringify(body, null, 2)), fold("Response", answer.raw));
      box.append(line, folds);
    },
  };
}

export function toolView(call, args) {
  const box = make("div", "tool-call");
  const head = make("div");
  head.append("Tool ", make("code", "", call.name));
  const given = make("pre", "", args === null ? call.arguments : JSON.stringify(args, null, 2));
  given.tabIndex = 0;
  box.append(head, given);
  return {
    box,
    // Waits for a yes or a no; stopping the conversation is a no.
    approval(signal) {
      return new Promise((resolve) => {
        const row = make("div", "row");
        const answer = (yes) => { row.remove(); resolve(yes); };
        const yes = make("button", "btn", "Run it");
        const no = make("button", "btn", "Decline");
        for (const [button, value] of [[yes, true], [no, false]]) {
          button.type = "button";
          button.dataset.size = "sm";
          button.addEventListener("click", () => answer(value));
        }
        no.dataset.variant = "outline";
        row.append(yes, no);
        box.append(row);
        // A key that is meant for something else must not run a tool.
        if (document.activeElement === document.body) yes.focus();
        signal.addEventListener("abort", () => answer(false), { once: true });
      });
    },
    show(result) {
      const shown = make("pre", result.failed ? "failed" : "", result.text);
      shown.tabIndex = 0;
      box.append(shown);
    },
  };
}
