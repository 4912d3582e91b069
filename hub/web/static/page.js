// The page: loads everything once, then whatever the live events name.

import { Refused, follow, get } from "./api.js";
import { sequencePath, showChain, showFacts, showPoints } from "./chain.js";
import { clock } from "./dom.js";
import { showGateways } from "./gateways.js";
import { callsPath, place, showLine } from "./lines.js";
import { samplesPath, showTags, showTrend } from "./trend.js";

let plant = null;
let tag = location.hash.slice(1).replace(/\D/g, "");
let endFollowing = () => {};

/** Runs `work` at most once at a time; asked again meanwhile, it runs once more after. */
function single(work) {
  let running = false;
  let again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      try {
        await work();
      } catch (error) {
        fail(error);
      }
    } while (again);
    running = false;
  };
}

const loadPlant = single(async () => {
  const [first] = await get("/v1/plants");
  if (!first) throw new Refused(503, "no plant is loaded yet: lineside-hub plant load");
  plant = first;
  showFacts(plant);
  showPoints(plant);
  showChain(plant, await get(sequencePath(plant)));
});

const loadLines = single(async () => {
  if (!plant) return;
  const lines = await get(`/v1/plants/${encodeURIComponent(plant.id)}/lines`);
  lines.forEach(place);
  await Promise.all(lines.map(async (line) =>
    showLine(line, (await get(callsPath(plant.id, line))).items)));
  document.body.dataset.updated = String(Date.now());
});

const loadGateways = single(async () => {
  showGateways(await get("/v1/gateways"));
});

const loadTags = single(async () => {
  const chosen = showTags(await get("/v1/tags"));
  if (chosen !== tag) choose(chosen);
});

const loadTrend = single(async () => {
  if (tag) showTrend(await get(samplesPath(tag)));
});

async function loadAll() {
  await loadPlant();
  await Promise.all([loadLines(), loadGateways(), loadTags(), loadTrend()]);
}

function heard(event) {
  if (event === "reset") loadAll();
  if (event === "sequence") loadPlant();
  if (event === "calls") loadLines();
  if (event === "gateways" || event === "calls") loadGateways();
  if (event === "gateways") loadTags();
  if (event === "samples") loadTrend();
}

const trouble = { stream: null, data: null };
let lostSince = null;
let retry = null;

/** Say how the connection is, so that nobody takes old figures for new. */
function show() {
  const error = trouble.stream ?? trouble.data;
  const outage = document.getElementById("outage");
  const empty = !plant && error instanceof Refused; // the hub answers, and has nothing to show yet
  const lost = empty ? "Nothing to show yet" : "No connection";
  document.body.dataset.connection = error ? "lost" : "live";
  document.querySelector("#connection b").textContent = error ? lost : "Live";
  outage.hidden = !error;
  if (!error) {
    lostSince = null;
    return;
  }
  lostSince ??= new Date();
  const why = error instanceof TypeError ? "the hub does not answer" : error.message;
  outage.textContent = empty ? `${why}. Trying again.`
    : `No connection since ${clock(lostSince)}: ${why}. What you see is old. Trying again.`;
}

function state(now, error) {
  if (error instanceof Refused && error.status === 401) {
    askToken();
    return;
  }
  trouble.stream = now === "live" ? null : error;
  show();
}

/** A request failed: what is shown may be old until all has been loaded anew. */
function fail(error) {
  if (error instanceof Refused && error.status === 401) {
    askToken();
    return;
  }
  trouble.data = error;
  show();
  retry ??= setTimeout(() => {
    retry = null;
    trouble.data = null;
    loadAll().then(show);
  }, 2_000);
}

function askToken() {
  const ask = document.getElementById("ask");
  if (ask.open) return;
  endFollowing();
  document.getElementById("unknown").hidden = !sessionStorage.getItem("token");
  document.getElementById("token").value = "";
  ask.showModal();
  ask.addEventListener("close", () => {
    sessionStorage.setItem("token", document.getElementById("token").value.trim());
    listen();
  }, { once: true });
}

function listen() {
  endFollowing();
  endFollowing = follow(`/v1/live${tag ? `?tag=${tag}` : ""}`, heard, state);
}

function choose(chosen) {
  tag = chosen;
  if (tag) history.replaceState(null, "", `#${tag}`);
  listen();
  loadTrend();
}

document.getElementById("tag").addEventListener("change", (event) => choose(event.target.value));
addEventListener("resize", () => loadTrend());
setInterval(() => {
  document.querySelector("#connection span").textContent = clock(Date.now());
}, 1_000);
// The time axis moves on even while no sample comes.
setInterval(() => document.visibilityState === "visible" && loadTrend(), 5_000);
listen();
