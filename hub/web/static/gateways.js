// The gateways and how they are.

import { clock, el, whole } from "./dom.js";

function bytes(count) {
  if (count < 1e6) return `${whole(Math.round(count / 1e3))} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

function figures(gateway) {
  const said = (name) => gateway.metrics[`Gateway/${name}`];
  const journal = said("Journal Records");
  return [
    ["Journal", journal === undefined ? "–" : `${whole(journal)} records`,
      said("Journal Bytes") === undefined ? "" : bytes(said("Journal Bytes"))],
    ["Calls under way", whole(gateway.calls_under_way), "not acknowledged"],
    ["Calls open", said("Calls Open") === undefined ? "–" : whole(said("Calls Open")), "at the line"],
    ["Events", said("Events Pending") === undefined ? "–" : whole(said("Events Pending")), "to be sent"],
  ];
}

// The clock that is furthest from its gateway's, if that is more than times on a page may be off.
function clockOff(gateway) {
  const [device, ms] = Object.entries(gateway.metrics)
    .map(([name, value]) => [/^Device\/(.+)\/Clock Offset ms$/.exec(name)?.[1], value])
    .filter(([of, value]) => of && value !== null)
    .reduce((most, one) => (Math.abs(one[1]) > Math.abs(most[1]) ? one : most), ["", 0]);
  return Math.abs(ms) >= 1000 && `clock of ${device} ${ms > 0 ? "+" : "−"}${(Math.abs(ms) / 1e3).toFixed(1)} s`;
}

export function showGateways(gateways) {
  document.getElementById("gateways").replaceChildren(...gateways.map((gateway) => {
    const state = gateway.conflict ? "conflict" : gateway.online ? "online" : "offline";
    const since = gateway.since ? ` since ${clock(gateway.since)}` : "";
    const version = gateway.metrics["Gateway/Version"];
    const last = gateway.last_data_at && `last data ${clock(gateway.last_data_at)}`;
    const gap = gateway.gaps[0];
    return el("article", `gateway ${state}`,
      el("header", "", el("i", ""), el("h3", "", gateway.gateway),
        el("p", "", state === "conflict" ? gateway.conflict : `${state}${since}`),
        el("small", "", [version && `v${version}`, last, clockOff(gateway)].filter(Boolean).join(" · "))),
      el("dl", "", ...figures(gateway).map(([name, value, note]) =>
        el("div", "", el("dt", "", name), el("dd", "", value, el("small", "", note))))),
      el("p", gateway.gap_count ? "gap some" : "gap", gateway.gap_count
        ? `${whole(gateway.gap_count)} gaps; latest: ${gap.device ?? "all devices"}`
          + `${gap.from_time ? `, from ${clock(gap.from_time)}` : ""}`
          + `${gap.to_time ? ` to ${clock(gap.to_time)}` : ""}: ${gap.cause}`
        : "no gaps"));
  }));
}
