// Keeps the board live and sends what is pressed. Nothing here decides: the gateway does.
"use strict";
const line = body.dataset.line;
const DEAD_MS = 5000;
let skew = 0; // the gateway's clock minus ours, ms
let beatAt = Date.now();
let deadSince = null;

const hhmm = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}`;

function countdown(due) {
  const left = Number(due.dataset.at) - (Date.now() + skew);
  const seconds = Math.floor(Math.abs(left) / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  due.querySelector("b").textContent = h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
  due.classList.toggle("late", left < 0);
  due.classList.toggle("soon", left >= 0 && left < 900000);
  due.querySelector("small").textContent = left < 0 ? due.dataset.late : due.dataset.in;
}

function tick() {
  const now = new Date(Date.now() + skew);
  document.getElementById("clock").textContent = `${hhmm(now)}:${pad(now.getSeconds())}`;
  document.querySelectorAll(".due").forEach(countdown);
  const dead = Date.now() - beatAt > DEAD_MS;
  if (dead && deadSince === null) deadSince = new Date(beatAt + skew);
  if (!dead) deadSince = null;
  body.classList.toggle("dead", dead);
  const banner = document.getElementById("dead");
  banner.hidden = !dead;
  if (dead) {
    const text = banner.querySelector("b");
    text.textContent = text.dataset.text.replace("{}", hhmm(deadSince));
  }
}

function listen() {
  const source = new EventSource(`/live/${line}?lang=${body.dataset.lang}`);
  for (const section of document.querySelectorAll("main > section")) {
    source.addEventListener(section.id, (event) => {
      if (section.innerHTML !== event.data) section.innerHTML = event.data;
      section.querySelectorAll(".due").forEach(countdown);
    });
  }
  source.addEventListener("beat", (event) => {
    skew = Number(event.data) - Date.now();
    beatAt = Date.now();
    body.dataset.live = "1";
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

async function act(fields) {
  const answer = await post("/act", { ...fields, line, token: body.dataset.token });
  if (answer && answer.status === 401) { body.dataset.signed = "0"; needsSignIn(); }
  return answer !== null && answer.ok;
}

function open(id, given) {
  const dialog = document.getElementById(id);
  const form = show(dialog, given);
  const scans = form.querySelector(".scans");
  if (scans) {
    scans.replaceChildren(...given.slots.split(",").map((slot) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      label.textContent = slot;
      input.name = `scan-${slot}`;
      input.required = true;
      input.autocomplete = "off";
      label.append(input);
      return label;
    }));
    scans.querySelector("input").focus();
  }
}

document.addEventListener("click", async (event) => {
  const from = event.target.closest("[data-dialog], [data-press]");
  if (!from || from.dataset.dialog === "sign-in") return;
  const { dialog, press, ...given } = from.dataset;
  if (needsSignIn()) return;
  if (dialog) { open(dialog, given); return; }
  from.disabled = true;
  delete given.slot;
  await act(given);
  from.disabled = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("li[data-dialog]")) event.target.click();
});

// A scanner ends each code with Enter: go to the next field, and send after the last.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches(".scans input")) return;
  const inputs = [...event.target.closest(".scans").querySelectorAll("input")];
  const next = inputs[inputs.indexOf(event.target) + 1];
  if (next) { event.preventDefault(); next.focus(); }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.verb || form.dataset.verb === "sign-in") return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form, event.submitter));
  const { title, slots, slot, ...given } = form.given;
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  const done = await act({ ...given, ...fields, verb: form.dataset.verb });
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  if (done) form.closest("dialog").close();
});

tick();
setInterval(tick, 250);
listen();
