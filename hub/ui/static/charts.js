// Charts drawn from the tables behind them: a chart and its numbers cannot differ.
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const drawn = new Map();

// light-dark() is resolved by giving the colour to an element and asking for what it became.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found || css(name);
}

function numbers(table, column) {
  return [...table.tBodies[0].rows].map((row) => {
    const value = row.cells[column].dataset.value;
    if (value === "") return null; // unknown: a gap, never zero
    return /^-?[\d.]+(e-?\d+)?$/.test(value) ? Number(value) : Date.parse(value) / 1000;
  });
}

// Times are told as the table tells them: in UTC.
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const clock = (at, hourly) => hourly && at % 86400 ? new Date(at * 1000).toISOString().slice(11, 16) : DAY.format(at * 1000);

// A time in the unit that reads best.
const duration = (ms) => ms >= 1000 ? `${(ms / 1000).toLocaleString("en", { maximumFractionDigits: 2 })} s` : `${ms.toLocaleString("en", { maximumFractionDigits: ms < 10 ? 1 : 0 })} ms`;

function step(xs) {
  return xs.length > 1 ? Math.min(...xs.slice(1).map((x, i) => x - xs[i])) : 86400;
}

function draw(box) {
  const table = document.getElementById(box.dataset.chart);
  if (!table || !window.uPlot) return;
  const xs = numbers(table, Number(box.dataset.x));
  const columns = box.dataset.y.split(",").map(Number);
  const unit = box.dataset.unit || "";
  const ink = colour("--soft");
  const line = colour("--line");
  const format = (value) => value == null ? "–" : unit === "ms" ? duration(value) : unit + value.toLocaleString("en", unit && value < 0.01 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: unit ? 4 : 1 });
  const bars = box.dataset.kind === "bars" ? window.uPlot.paths.bars({ size: [0.7, 44], align: 0 }) : undefined;
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const hourly = step(xs) < 86400;
  const pad = step(xs) / 2;
  const span = step(xs) * 6; // a lone bar stands at the right of a week, not across the whole box
  const plot = new window.uPlot({
    width: Math.max(box.clientWidth, 200),
    height: 200,
    scales: { x: { range: [Math.min(xs[0], xs.at(-1) - span) - pad, xs.at(-1) + pad] }, y: { range: (_, __, most) => [0, (most || 1) * 1.12] } },
    padding: [10, 22, 0, 0],
    cursor: { y: false, points: { show: false } },
    legend: { show: true, live: true },
    tzDate: (at) => window.uPlot.tzDate(new Date(at * 1000), "UTC"),
    axes: [{ ...axis, size: 28, grid: { show: false }, values: (_, ticks) => ticks.map((at) => clock(at, hourly)) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(format) }],
    series: [
      { value: (_, at) => at == null ? "–" : new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ") },
      ...columns.map((column, i) => ({
        label: [...table.tHead.rows].at(-1).cells[column].textContent,
        stroke: colour(`--series-${i + 1}`),
        fill: bars ? colour(`--series-${i + 1}`) : undefined,
        width: bars ? 0 : 2,
        paths: bars,
        points: { show: !bars && xs.length < 16 },
        value: (_, value) => format(value),
      })),
    ],
  }, [xs, ...columns.map((column) => numbers(table, column))], box);
  drawn.get(box)?.destroy();
  drawn.set(box, plot);
}

function all() {
  for (const [box, plot] of drawn) if (!box.isConnected) { plot.destroy(); drawn.delete(box); }
  for (const box of document.querySelectorAll("[data-chart]")) draw(box);
}

new ResizeObserver(() => {
  for (const [box, plot] of drawn) if (box.clientWidth && Math.abs(box.clientWidth - plot.width) > 4) plot.setSize({ width: box.clientWidth, height: 200 });
}).observe(document.body);
document.addEventListener("hub:theme", all);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
document.addEventListener("htmx:after:swap", all);
all();
