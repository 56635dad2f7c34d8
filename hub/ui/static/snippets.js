// A call as code that somebody can run: curl, Python, TypeScript.
const indent = (value, by) => JSON.stringify(value, null, 2).replaceAll("\n", `\n${" ".repeat(by)}`);

// JSON as a Python literal: parsed, so that a text that says "true" stays a text.
function python(value, depth = 1) {
  const pad = "    ".repeat(depth);
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return value.length ? `[\n${value.map((v) => pad + python(v, depth + 1)).join(",\n")},\n${pad.slice(4)}]` : "[]";
  if (typeof value === "object") {
    const items = Object.entries(value).map(([k, v]) => `${pad}${JSON.stringify(k)}: ${python(v, depth + 1)}`);
    return items.length ? `{\n${items.join(",\n")},\n${pad.slice(4)}}` : "{}";
  }
  return JSON.stringify(value);
}

export function snippet(kind, address, body) {
  if (kind === "curl") {
    const json = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
    return `curl ${address}/v1/chat/completions \\\n  -H "Authorization: Bearer $HUB_KEY" \\\n  -H "content-type: application/json" \\\n  -d '${json}'`;
  }
  if (kind === "python") {
    const known = ["model", "messages", "stream", "temperature", "top_p", "max_tokens", "seed", "stop", "tools", "reasoning_effort"];
    const named = Object.entries(body).filter(([key]) => known.includes(key) && key !== "stream");
    const more = Object.fromEntries(Object.entries(body).filter(([key]) => !known.includes(key) && key !== "stream_options"));
    const args = named.map(([key, value]) => `    ${key}=${python(value, 2)},`);
    if (Object.keys(more).length) args.push(`    extra_body=${python(more, 2)},`);
    return `import os\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=${JSON.stringify(`${address}/v1`)}, api_key=os.environ["HUB_KEY"])\nanswer = client.chat.completions.create(\n${args.join("\n")}\n)\nprint(answer.choices[0].message.content)`;
  }
  const plain = Object.fromEntries(Object.entries(body).filter(([key]) => !["stream", "stream_options"].includes(key)));
  return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${JSON.stringify(`${address}/v1`)}, apiKey: process.env.HUB_KEY });\nconst answer = await client.chat.completions.create(${indent(plain, 0)});\nconsole.log(answer.choices[0].message.content);`;
}
