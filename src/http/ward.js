// The ward page: polls the board and builds it from text nodes only.
"use strict";

const $ = (id) => document.getElementById(id);
const words = { high: "High priority", medium: "Medium priority", low: "Low priority" };
const kinds = {
  sepsis: "Sepsis", deterioration: "Deterioration", respiratory: "Respiratory failure", shock: "Shock",
  seizure: "Seizure", hypoglycaemia: "Low glucose", hyperglycaemia: "High glucose",
  early_warning: "Early warning", stale_feed: "No data", signal_lost: "Signal lost",
};
const units = { "mm[Hg]": "mmHg", Cel: "°C", "{score}": "" };
let lastGood = 0;

function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// In UTC, as the rationales say it.
const clock = (iso) => new Date(iso).toISOString().slice(11, 19);
const decimals = { Cel: 1, "mmol/L": 1, "{score}": 0, "1": 2 };
const number = (x, unit) => x.toFixed(decimals[unit] ?? 0);

// Alerts a person has unfolded stay unfolded when the page is rebuilt.
const opened = new Set();

function alertNode(alert, withBed, folded) {
  const node = el("div", "alert");
  const head = el("p");
  head.append(el("span", "badge " + alert.priority, words[alert.priority]), " ");
  const where = withBed && alert.bed ? "Bed " + alert.bed + ": " : "";
  const phase = ["raised", "updated"].includes(alert.phase) ? "" : " (" + alert.phase + ")";
  head.append(el("strong", "", where + (kinds[alert.kind] || alert.kind) + phase));
  const text = el("p", "", alert.text);
  const model = el("ul", "small");
  model.append(...alert.model.map((line) => el("li", "", line)));
  model.hidden = alert.model.length === 0;
  const by = el("p", "small", clock(alert.at) + " UTC, written by " + alert.written_by);
  if (folded) {
    const details = el("details");
    const summary = el("summary");
    summary.append(...head.childNodes);
    details.append(summary, text, model, by);
    details.open = opened.has(alert.id);
    details.addEventListener("toggle", () => (details.open ? opened.add(alert.id) : opened.delete(alert.id)));
    node.append(details);
  } else {
    node.append(head, text, model, by);
  }
  return node;
}

function bedNode(bed) {
  const worst = bed.alerts.length ? bed.alerts[0].priority : "";
  const node = el("li", "bed " + worst);
  const title = el("h2", "", "Bed " + (bed.bed || "unknown"));
  title.append(worst ? el("span", "badge " + worst, words[worst]) : el("span", "small", "no alert"));
  node.append(title);
  const silent = bed.feeds.filter((f) => f.state !== "fresh");
  if (silent.length) {
    const text = silent.map((f) => f.label + " since " + clock(f.last_at) + " UTC").join(", ");
    node.append(el("p", "feeds", "No data: " + text));
  }
  const list = el("dl");
  const row = (label, value) => list.append(el("dt", "", label), el("dd", "", value));
  for (const r of bed.readings) row(r.label, number(r.value, r.unit) + " " + (units[r.unit] ?? r.unit));
  if (bed.news2 !== null) row("NEWS2", String(bed.news2));
  for (const r of bed.risks) row(r.head + " risk", (r.probability * 100).toFixed(r.probability < 0.1 ? 1 : 0) + " %" + (r.alerting ? " (over its limit)" : "") + (r.doubt ? ", " + r.doubt : ""));
  if (bed.doubt) row("to the model", bed.doubt);
  node.append(list);
  bed.alerts.forEach((alert, i) => node.append(alertNode(alert, false, i > 0)));
  node.append(el("p", "small", bed.unit + ", as of " + clock(bed.at) + " UTC"));
  return node;
}

function say(text, stale) {
  const state = $("state");
  state.textContent = text;
  state.className = stale ? "stale" : "";
}

function show(board) {
  $("notice").textContent = board.notice;
  $("empty").hidden = board.beds.length > 0;
  $("beds").replaceChildren(...board.beds.map(bedNode));
  $("recent").replaceChildren(...board.recent.slice(0, 20).map((a) => {
    const li = el("li");
    li.append(alertNode(a, true, false));
    return li;
  }));
  const behind = board.engine_time ? (Date.now() - new Date(board.engine_time)) / 1000 : Infinity;
  const open = board.beds.filter((b) => b.alerts.length).length;
  if (behind > 5) say("The engine has decided nothing for " + Math.round(behind) + " s", true);
  else say(board.beds.length + " beds, " + open + " with alerts, live", false);
}

async function refresh() {
  let board = null;
  try {
    const response = await fetch("/api/v1/board", { signal: AbortSignal.timeout(3000) });
    if (!response.ok) throw new Error(String(response.status));
    board = await response.json();
    lastGood = Date.now();
  } catch {
    const secs = lastGood ? Math.round((Date.now() - lastGood) / 1000) + " s old" : "never received";
    say("No connection: this page is " + secs, true);
  }
  if (board) {
    try {
      show(board);
    } catch (error) {
      // A fault of the page must not look like a quiet ward.
      say("This page has a fault and shows nothing current", true);
      console.error(error);
    }
  }
  setTimeout(refresh, 1000);
}

refresh();
