// Charts are drawn one by one, so that a page of many can be read meanwhile; a figure's charts share one legend.
const isNarrow = matchMedia("(max-width: 600px)").matches; // there the buttons would lie over a chart's title
const DASHES = { dash: "8 4", dot: "2 3", dashdot: "8 3 2 3", longdash: "13 4", longdashdot: "13 3 2 3" };
const SYMBOLS = {
  circle: "●", square: "■", diamond: "◆", "triangle-up": "▲", "triangle-down": "▼", star: "★", cross: "✚", x: "✖",
};
const boxes = [...document.querySelectorAll(".plot")];
const plots = new Map(boxes.map((box) => [box, JSON.parse(box.firstElementChild.textContent)]));
const drawn = new Set();
const hidden = new Map(); // by figure, the names that a reader has switched off
const group = (trace) => trace.legendgroup || trace.name;

function draw(box) {
  if (drawn.has(box)) return;
  drawn.add(box);
  const { data, layout } = plots.get(box);
  const off = hidden.get(box.parentElement);
  const traces = data.map((trace) => (off?.has(group(trace)) ? { ...trace, visible: false } : trace));
  const clear = box.parentElement.matches(".wide") ? { paper_bgcolor: "#fff0", plot_bgcolor: "#fff0" } : {}; // an edge's shadow is seen through it
  Plotly.newPlot(box, traces, { ...layout, ...clear, showlegend: false }, {
    responsive: true, displaylogo: false, showSendToCloud: false, displayModeBar: isNarrow || box.parentElement.matches(".many") ? false : "hover",
    toImageButtonOptions: { format: "svg" },
  });
}

function drawing(tag, about) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) made.setAttribute(name, value);
  return made;
}

function swatch({ line = {}, marker = {}, mode = "", fill, fillcolor }) {
  const icon = drawing("svg", { width: 38, height: 14, "aria-hidden": true });
  if (fill && !line.width) icon.append(drawing("rect", { width: 38, height: 14, fill: fillcolor }));
  else if (mode.includes("lines")) icon.append(drawing("line", { x2: 38, y1: 7, y2: 7, stroke: line.color, "stroke-width": 2, "stroke-dasharray": DASHES[line.dash] || "" }));
  if (mode.includes("markers")) {
    const mark = drawing("text", { x: 19, y: 7, fill: marker.color || line.color, "text-anchor": "middle", "dominant-baseline": "central" });
    mark.textContent = SYMBOLS[marker.symbol || "circle"] || "●";
    icon.append(mark);
  }
  return icon;
}

function legend(figure, own) {
  const named = new Map();
  for (const { data, layout } of own.filter((plot) => plot.layout.showlegend !== false))
    for (const trace of data)
      if (trace.name && trace.showlegend !== false && !named.has(group(trace))) named.set(group(trace), trace);
  if (named.size < 2 && ![...named.values()].some((trace) => trace.showlegend)) return;
  const off = new Set();
  const row = document.createElement("div");
  row.className = "legend";
  hidden.set(figure, off);
  const show = () => {
    row.childNodes.forEach((button) => button.setAttribute("aria-pressed", !off.has(button.dataset.group)));
    for (const box of figure.children)
      if (drawn.has(box)) Plotly.restyle(box, { visible: box.data.map((trace) => !off.has(group(trace))) });
  };
  for (const [key, trace] of named) {
    const button = document.createElement("button");
    button.dataset.group = key;
    button.append(swatch(trace), trace.name);
    button.onclick = () => (off.delete(key) || off.add(key), show());
    button.ondblclick = () => {
      const isAlone = named.size - off.size === 1 && !off.has(key);
      off.clear();
      if (!isAlone) [...named.keys()].filter((other) => other !== key).forEach((other) => off.add(other));
      show();
    };
    row.append(button);
  }
  figure.before(row);
  show();
}

for (const figure of document.querySelectorAll(".plots")) legend(figure, [...figure.children].map((box) => plots.get(box)));
const rest = [...boxes];
const next = () => rest.length && (draw(rest.shift()), setTimeout(next));
next();
const fit = (isPaper) => {
  document.body.classList.toggle("paper", isPaper);
  for (const box of boxes) {
    draw(box);
    box.style.zoom = isPaper ? Math.min(1, 680 / box.offsetWidth) : "";
    Plotly.relayout(box, { width: isPaper ? box.offsetWidth : null, autosize: !isPaper }); // at once, which a resize is not
  }
};
addEventListener("beforeprint", () => fit(true));
addEventListener("afterprint", () => fit(false));
