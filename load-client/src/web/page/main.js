// Connects events, tables, charts and buttons.

import { Charts } from "./charts.js";
import { follow } from "./feed.js";
import { count, elapsed, milliseconds, percentile, rate, share } from "./format.js";
import { Orders } from "./orders.js";
import { failuresTable, mixRows, mixTable, statisticsRows, statisticsTable, workersTable } from "./tables.js";
import { setUpTabs } from "./tabs.js";

const find = (id) => document.getElementById(id);
const write = (id, text) => {
  const element = find(id);
  if (element.textContent !== text) element.textContent = text;
};
const announce = (id, text) => {
  write(id, text ?? "");
  find(id).hidden = !text;
};

const statistics = statisticsTable(find("statistics-table"));
const failures = failuresTable(find("failures-table"));
const mix = mixTable(find("mix-table"));
const workers = workersTable(find("workers-table"));
const charts = new Charts(find("course"), find("histogram"));
// A refused order is shown once. The error of a run stays until the next run.
let refused = null;
const orders = new Orders((problem) => {
  refused = problem;
  showProblem();
});
// The tab of the workers appears once there are workers.
let wantsWorkers = location.hash === "#/workers";
let [state, summary, moment, skew] = [null, null, null, 0];

const problemOfRun = () => {
  if (state?.error) return `Run #${state.run} failed: ${state.error}`;
  return state?.invalid && `Run #${state.run}: ${state.invalid}`;
};
const showProblem = () => announce("problem", refused ?? problemOfRun());

function showState(next) {
  if (state && next.phase !== state.phase) refused = null;
  state = next;
  // Times are by the server's clock. The browser's clock only measures how much time has passed.
  skew = state.now_unix_ms - Date.now();
  const { brokers, topic, reply_topic } = state.target;
  write("order-brokers", brokers);
  write("order-topic", topic);
  write("order-replies", reply_topic ?? "none: publishing only");
  write("target", `${topic} at ${brokers}${reply_topic ? `, replies from ${reply_topic}` : ", publishing only"}`);
  write("phase", state.run > 0 ? `${state.phase} · run #${state.run}` : state.phase);
  find("phase").dataset.phase = state.phase;
  for (const id of ["figures", "views"]) find(id).hidden = orders.isFirst(state);
  document.title = `${state.phase} · load-client`;
  orders.show(state);
  showProblem();
  showDownloads(state.offers.downloads);
  showMix();
  showWorkers(state.workers);
  showNothing();
  showElapsed();
}

function showElapsed() {
  if (!state) return;
  const { started_unix_ms: start, ended_unix_ms: end, run_time_seconds: limit } = state;
  const seconds = start == null ? null : ((end ?? Date.now() + skew) - start) / 1000;
  write("elapsed", elapsed(seconds) + (seconds != null && limit ? ` / ${elapsed(limit)}` : ""));
}

function showFigures() {
  const { rows, total } = statisticsRows(summary, moment);
  statistics.fill(rows, total);
  find("statistics-table").hidden = find("statistics-note").hidden = rows.length === 0;
  showMix();
  showNothing();
  write("users", moment ? `${count(moment.users)}${state ? ` / ${count(state.users)}` : ""}` : "–");
  write("rps", rate(moment?.total.rates.requests));
  write("failure-share", total ? share(total.failures, total.requests) : "–");
  find("failure-share").classList.toggle("bad", (total?.failures ?? 0) > 0);
  const unit = (value) => (value == null ? "–" : `${milliseconds(value)} ms`);
  write("median", unit(total?.response?.median_ms));
  write("p95", unit(percentile(total?.response, 0.95)));
}

function showFailures(list) {
  failures.fill(list ?? []);
  const none = (list?.length ?? 0) === 0;
  find("failures-empty").hidden = !none;
  find("failures-table").hidden = none;
  announce("failure-kinds", none ? "" : String(list.length));
}

function showDownloads(files) {
  const list = find("download-list");
  if (list.dataset.files === files.join()) return;
  list.dataset.files = files.join();
  list.replaceChildren(...files.map((file) => {
    const link = document.createElement("a");
    link.href = `/download/${encodeURIComponent(file)}`;
    link.download = file;
    link.textContent = file;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
}

function showWorkers(all) {
  find("tab-workers").hidden = all.length === 0;
  workers.fill(all);
  const lost = all.filter((own) => own.state === "lost").length;
  if (wantsWorkers && all.length > 0) {
    wantsWorkers = false;
    find("tab-workers").click();
  }
  announce("workers-lost", lost ? `${lost} lost` : "");
}

const showMix = () => mix.fill(mixRows(state?.mix ?? [], summary));

// Says why there are no figures.
function nothing() {
  if (!state) return "Connecting to load-client.";
  const run = `Run #${state.run}`;
  if (state.phase === "starting") return `${run} is connecting to ${state.target.brokers}; nothing is sent yet.`;
  if (state.phase === "failed" && state.started_unix_ms == null) return `${run} failed before it sent a request: ${state.error}`;
  if (state.phase === "stopped" && state.started_unix_ms == null) return `${run} was stopped before it sent a request.`;
  if (["stopped", "failed"].includes(state.phase)) return `Run #${state.run} has no figures. Start the next run with "New run".`;
  return `${run} is sending; the first figures come within a second.`;
}

function showNothing() {
  const [none, noPoints] = [!summary, charts.points === 0];
  for (const text of document.querySelectorAll(".nothing")) {
    text.hidden = !(text.closest("#charts") ? noPoints : none);
    if (text.textContent !== nothing()) text.textContent = nothing();
  }
  write("failures-empty", none ? nothing() : "No request has failed.");
  find("course").hidden = noPoints;
  const noTimes = noPoints || !charts.bins?.length;
  find("histogram").hidden = find("histogram-title").hidden = noTimes;
  find("no-replies").hidden = noPoints || !noTimes;
}

function showLog(entries) {
  find("log-list").replaceChildren(...entries.reverse().map((entry) => {
    const [item, time, text] = ["li", "time", "span"].map((name) => document.createElement(name));
    const at = new Date(entry.unix_ms);
    time.dateTime = at.toISOString();
    time.textContent = at.toLocaleTimeString("en-GB");
    time.title = at.toLocaleString();
    text.textContent = entry.text;
    text.className = entry.is_bad ? "bad" : "";
    item.append(time, text);
    return item;
  }));
}

follow({
  state: showState,
  history: (history) => {
    charts.replace(history);
    moment = history.moments.findLast((own) => own.run === state?.run) ?? null;
    showFigures();
  },
  moment: (next) => {
    moment = next;
    charts.add(next);
    showNothing();
  },
  summary: (next) => {
    summary = next;
    showFigures();
    showFailures(next?.errors);
  },
  histogram: (bins) => {
    charts.setHistogram(bins);
    showNothing();
  },
  log: showLog,
}, (connected) => {
  find("lost").hidden = connected;
});

showFigures();
setInterval(showElapsed, 500);

let shown = "statistics";
const showCharts = () => charts.show(shown === "charts" && !document.hidden);
setUpTabs((panel) => {
  shown = panel;
  showCharts();
});
document.addEventListener("visibilitychange", showCharts);

const dark = matchMedia("(prefers-color-scheme: dark)");
find("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // Without storage, the choice lasts until the page is closed.
  }
  charts.redraw();
});
dark.addEventListener("change", () => charts.redraw());
