// One tag over the last minutes, with the gaps that are known.

import { clock, el, svg } from "./dom.js";

const SPAN_MS = 2 * 60 * 1000;
const MARGIN = { left: 58, right: 12, top: 10, bottom: 22 };

export function showTags(tags) {
  const select = document.getElementById("tag");
  const chosen = select.value || location.hash.slice(1);
  const groups = Map.groupBy(tags, (tag) => `${tag.gateway} / ${tag.device}`);
  select.replaceChildren(...[...groups].map(([name, members]) => {
    const group = el("optgroup", "", ...members.map((tag) => {
      const option = el("option", "", tag.name);
      option.value = tag.id;
      return option;
    }));
    group.label = name;
    return group;
  }));
  if (tags.some((tag) => String(tag.id) === chosen)) select.value = chosen;
  return select.value;
}

export function samplesPath(tag) {
  const to = new Date();
  const from = new Date(to - SPAN_MS);
  return `/v1/tags/${tag}/samples?from=${from.toISOString()}&to=${to.toISOString()}&points=800`;
}

/** Round steps of an axis: about `count` of them between low and high. */
function steps(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 },
    (_, index) => Number((first + index * step).toPrecision(12)));
}

export function showTrend(page) {
  const chart = document.getElementById("chart");
  const { width, height } = chart.getBoundingClientRect();
  const numbers = page.samples.filter((sample) => sample.value !== null);
  const last = page.samples.at(-1);
  // A sample without value says that the source could not tell, or not in numbers.
  document.getElementById("reading").textContent = last?.text
    ?? (last && last.value !== null ? Number(last.value.toPrecision(6)) : "–");
  document.getElementById("unit").textContent = page.tag.unit ?? "";

  const now = Date.now();
  const x = (time) => MARGIN.left
    + (Math.max(time - (now - SPAN_MS), 0) / SPAN_MS) * (width - MARGIN.left - MARGIN.right);
  const values = numbers.map((sample) => sample.value);
  let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const air = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  [low, high] = [low - air, high + air];
  const y = (value) => height - MARGIN.bottom
    - ((value - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);

  const drawn = [];
  for (const gap of page.gaps) {
    const from = x(gap.from_time ? Date.parse(gap.from_time) : 0);
    const to = x(gap.to_time ? Date.parse(gap.to_time) : now);
    drawn.push(svg("rect", { class: "gap", x: from, y: MARGIN.top, width: Math.max(2, to - from),
      height: height - MARGIN.top - MARGIN.bottom }, svg("title", {}, gap.cause)));
  }
  for (const value of steps(low, high, 6)) {
    drawn.push(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right,
      y1: y(value), y2: y(value) }));
    drawn.push(svg("text", { class: "axis", x: MARGIN.left - 8, y: y(value) + 4,
      "text-anchor": "end" }, String(value)));
  }
  for (let back = 0; back <= SPAN_MS; back += SPAN_MS / 4) {
    drawn.push(svg("text", { class: "axis", x: x(now - back), y: height - 5,
      "text-anchor": back ? "middle" : "end" }, clock(now - back)));
  }
  const path = numbers.map((sample, index) =>
    `${index ? "L" : "M"}${x(Date.parse(sample.time)).toFixed(1)} ${y(sample.value).toFixed(1)}`);
  drawn.push(svg("path", { class: "curve", d: path.join("") }));
  const end = numbers.at(-1);
  if (end) drawn.push(svg("circle", { class: "end", r: 4, cx: x(Date.parse(end.time)), cy: y(end.value) }));
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren(...drawn);
  document.getElementById("chart-gaps").textContent = page.gaps.length
    ? `${page.gaps.length} gaps, shaded: ${page.gaps.at(-1).cause}`
    : page.samples.length ? (page.complete ? "complete" : "more may still come") : "no samples in these two minutes";
}
