// The pearl chain: the cars around the control point, in the order they are built.

import { clock, el, paint, whole } from "./dom.js";

const BEFORE = 7;
const AFTER = 40; // more than fit; the style cuts off what does not

/** What to ask the API for: the cars from a little behind the head of the chain. */
export function sequencePath(plant) {
  const after = Math.max(0, head(plant) - BEFORE);
  return `/v1/plants/${encodeURIComponent(plant.id)}/sequence?after=${after}&limit=${BEFORE + AFTER}`;
}

/** Position of the car that was the last to pass the first control point. */
function head(plant) {
  return Math.max(0, ...plant.control_points.map((point) => point.last_position ?? 0));
}

export function showFacts(plant) {
  const facts = [
    ["Plant", plant.id],
    ["Takt", `${plant.takt_s} s`],
    ["Orders", whole(plant.cars)],
    ["Sequence", plant.sequence ? `${plant.sequence} · ${plant.method}` : "none yet"],
  ];
  document.getElementById("plant-facts").replaceChildren(
    ...facts.map(([name, value]) => el("div", "", el("dt", "", name), el("dd", "", value))),
  );
}

export function showPoints(plant) {
  document.getElementById("points").replaceChildren(
    ...plant.control_points.map((point) =>
      el("li", "", el("b", "", point.id), ` ${whole(point.passes)} passed`,
        point.last_passed_at && el("span", "", ` · last ${point.last_production_no}`
          + ` at ${clock(point.last_passed_at)}`))),
  );
}

export function showChain(plant, page) {
  const at = head(plant);
  document.getElementById("pearls").replaceChildren(...page.items.map((car) => {
    const dot = el("i", "");
    dot.style.backgroundColor = paint(car.colour);
    const pearl = el("li", car.passed.length ? "passed" : "coming", dot,
      el("b", "", car.production_no), el("small", "", `${car.model} · ${car.colour}`),
      el("small", "position", String(car.position)));
    if (car.position === at) {
      pearl.classList.add("head");
      pearl.dataset.point = car.passed.at(-1)?.control_point ?? "";
    }
    pearl.title = [`${car.production_no}, position ${car.position}`, car.options.join(" "),
      ...car.passed.map((passed) => `${passed.control_point} ${clock(passed.passed_at)}`),
    ].filter(Boolean).join("\n");
    return pearl;
  }));
}
