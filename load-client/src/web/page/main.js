// Joins events, tables, charts and buttons.

import { Charts } from "./charts.js";
import { follow } from "./feed.js";
import { count, elapsed, milliseconds, percentile, rate, share } from "./format.js";
import { Orders } from "./orders.js";
import { failuresTable, statisticsRows, statisticsTable } from "./tables.js";
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
const charts = new Charts(find("course"), find("histogram"));
// A refused order is told once; the error of a run stays until the next one.
let refused = null;
const orders = new Orders((problem) => {
  refused = problem;
  showProblem();
});
let [state, summary, moment, skew] = [null, null, null, 0];

const problemOfRun = () => {
  if (state?.error) return `Run #${state.run} failed: ${state.error}`;
  return state?.invalid && `Run #${state.run}: ${state.invalid}`;
};
const showProblem = () => announce("problem", refused ?? problemOfRun());

function showState(next) {
  if (state && next.phase !== state.phase) refused = null;
  state = next;
  // The server's clock counts; the browser's only tells how much time went by.
  skew = state.now_unix_ms - Date.now();
  const { brokers, topic, reply_topic } = state.target;
  write("target", `${topic} at ${brokers}${reply_topic ? `, replies from ${reply_topic}` : ", publishing only"}`);
  write("phase", state.run > 0 ? `${state.phase} · run #${state.run}` : state.phase);
  find("phase").dataset.phase = state.phase;
  document.title = `${state.phase} · load-client`;
  orders.show(state);
  showProblem();
  showDownloads(state.offers.downloads);
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
  find("statistics-empty").hidden = rows.length > 0;
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

const showEmptyCharts = () => {
  find("charts-empty").hidden = charts.points > 0;
};

follow({
  state: showState,
  history: (history) => {
    charts.replace(history);
    moment = history.moments.findLast((own) => own.run === state?.run) ?? null;
    showEmptyCharts();
    showFigures();
  },
  moment: (next) => {
    moment = next;
    charts.add(next);
    showEmptyCharts();
  },
  summary: (next) => {
    summary = next;
    showFigures();
  },
  failures: showFailures,
  histogram: (bins) => charts.setHistogram(bins),
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
    // Without storage the choice holds until the page is closed.
  }
  charts.redraw();
});
dark.addEventListener("change", () => charts.redraw());
