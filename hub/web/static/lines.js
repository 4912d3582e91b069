// The suppliers' lines: how many calls stand where, what comes next, and the racks being filled.

import { clock, el, paint, whole } from "./dom.js";

const ORDER = ["released", "received", "accepted", "unclear", "refused", "produced", "rework",
  "inspected", "packed", "shipped"];
const LOADED = new Set(["packed", "shipped"]);
const DONE = new Set([...LOADED, "refused"]);
const ROWS = 5;
const RACKS = 2;

/** What to ask the API for: the rack before the oldest open call, and those after it. */
export function callsPath(plant, line) {
  const total = Object.values(line.calls).reduce((all, count) => all + count, 0);
  const open = line.first_open_call_no ?? total + 1;
  const rack = Math.floor((open - 1) / line.rack_slots);
  const first = line.first_open_call_no ? Math.max(0, rack - 1) : Math.max(0, rack - 2);
  const limit = Math.min(500, line.rack_slots * (RACKS + 5));
  return `/v1/plants/${encodeURIComponent(plant)}/lines/${encodeURIComponent(line.id)}`
    + `/calls?after=${first * line.rack_slots}&limit=${limit}`;
}

/** A place for each line, kept over updates; the element of one line. */
export function place(line) {
  const lines = document.getElementById("lines");
  let found = lines.querySelector(`[data-line="${CSS.escape(line.id)}"]`);
  if (!found) {
    found = el("article", "panel line");
    found.dataset.line = line.id;
    lines.append(found);
  }
  return found;
}

export function showLine(line, calls) {
  // What waits to be built; where that is little, what was done just before it.
  const firstOpen = calls.findIndex((call) => !DONE.has(call.status));
  const from = Math.min(firstOpen < 0 ? calls.length : firstOpen, Math.max(0, calls.length - ROWS));
  const next = calls.slice(from, from + ROWS);
  place(line).replaceChildren(
    el("header", "", el("h2", "", line.id), el("p", "", `${line.supplier} · ${line.gateway}`),
      el("p", "dock", `to ${line.unloading_point}`), waiting(line)),
    counts(line),
    el("div", "split", table(next), racks(line, calls)),
  );
}

function waiting(line) {
  const note = el("p", line.unacknowledged ? "waiting some" : "waiting",
    line.unacknowledged ? `${whole(line.unacknowledged)} not yet on the gateway` : "all on the gateway");
  return note;
}

function counts(line) {
  const present = ORDER.filter((status) => line.calls[status]);
  const bar = el("div", "bar", ...present.map((status) => {
    const part = el("i", status);
    part.style.flexGrow = line.calls[status];
    return part;
  }));
  const key = el("ul", "key", ...present.map((status) =>
    el("li", status, el("i", ""), `${status} `, el("b", "", whole(line.calls[status])))));
  return el("div", "counts", bar, key);
}

function table(calls) {
  const head = el("tr", "", ...["Seq", "Part", "Car", "Rack · slot", "Due", "Status"].map((name) =>
    el("th", "", name)));
  const rows = calls.map((call) => {
    const dot = el("i", "dot");
    dot.style.backgroundColor = paint(call.colour);
    const row = el("tr", DONE.has(call.status) ? "done" : "",
      el("td", "seq", String(call.sequence_no).padStart(4, "0")),
      el("td", "part", el("b", "", call.part_no), el("small", "", call.part_group)),
      el("td", "car", dot, call.production_no),
      el("td", "", `${call.rack} · ${call.slot}`),
      el("td", "", clock(call.required_at)),
      el("td", "", el("span", `status ${call.status}`, call.status)));
    row.dataset.key = call.key;
    return row;
  });
  if (!rows.length) {
    const none = el("td", "none", "No call yet.");
    none.colSpan = 6;
    rows.push(el("tr", "", none));
  }
  return el("table", "next", el("caption", "", "Calls"), el("thead", "", head),
    el("tbody", "", ...rows));
}

function racks(line, calls) {
  const columns = [5, 4, 6, 3].find((count) => line.rack_slots % count === 0) ?? 5;
  const byRack = Map.groupBy(calls, (call) => call.rack);
  const all = [...byRack.keys()];
  const firstOpen = all.findIndex((rack) =>
    byRack.get(rack).some((call) => !DONE.has(call.status)));
  const from = Math.max(0, (firstOpen < 0 ? all.length : firstOpen) - 1);
  const shown = all.slice(Math.min(from, Math.max(0, all.length - RACKS)), from + RACKS);
  return el("div", "racks", ...shown.map((rack) => {
    const inside = new Map(byRack.get(rack).map((call) => [call.slot, call]));
    const loaded = [...inside.values()].filter((call) => LOADED.has(call.status)).length;
    const gone = [...inside.values()].every((call) => call.status === "shipped")
      && inside.size === line.rack_slots;
    const slots = Array.from({ length: line.rack_slots }, (_, index) => {
      const call = inside.get(index + 1);
      const slot = el("i", call ? call.status : "empty", call ? String(call.sequence_no) : "");
      if (call) slot.title = `${call.part_no} for ${call.production_no}: ${call.status}`;
      return slot;
    });
    const grid = el("div", "slots", ...slots);
    grid.style.gridTemplateColumns = `repeat(${columns}, 27px)`;
    return el("figure", gone ? "rack gone" : "rack", grid,
      el("figcaption", "", el("b", "", rack),
        el("span", "", gone ? "shipped" : `${loaded} of ${line.rack_slots}`)));
  }));
}
