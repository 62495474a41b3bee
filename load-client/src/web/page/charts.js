// Draws the runs as three charts on one time axis, so that hover and zoom are shared, and the histogram of the response
// times.

import { percentile } from "./format.js";

// A role is a colour of palette.css.
const SERIES = [
  { name: "Requests/s", chart: 1, role: "requests", value: (moment) => moment.total.rates.requests },
  { name: "Failures/s", chart: 1, role: "failures", value: (moment) => moment.total.rates.failures, dash: "dot" },
  { name: "50 %", chart: 2, role: "p50", value: (moment) => moment.total.window?.median_ms ?? null },
  { name: "95 %", chart: 2, role: "p95", value: (moment) => percentile(moment.total.window, 0.95) },
  { name: "99 %", chart: 2, role: "p99", value: (moment) => percentile(moment.total.window, 0.99) },
  { name: "Users", chart: 3, role: "users", value: (moment) => moment.users, shape: "hv" },
];
const CHARTS = [
  { title: "Requests and failures (per second)", domain: [0.715, 0.95] },
  { title: "Response times of the last 10 s (ms)", domain: [0.37, 0.605] },
  { title: "Users (number)", domain: [0.025, 0.26] },
];
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

// The first moment of a run comes a second after its start; after a reset there is a longer gap.
const BEFORE_FIRST_MS = 3000;
// The width of a run's name in pixels, and how many names may be stacked.
const MARK_WIDTH = 64, MARK_ROWS = 5;

const nth = (name, chart) => (chart === 1 ? name : `${name}${chart}`);

export class Charts {
  constructor(course, histogram) {
    [this.course, this.histogram] = [course, histogram];
    this.revision = 0;
    this.beginning = 0;
    this.replace({ runs: [], moments: [] });
    this.bins = null;
    this.visible = false;
    this.due = false;
  }

  // Replaces the data by the whole history.
  replace({ runs, moments }) {
    this.runs = new Map(runs.map((run) => [run.number, run]));
    this.revision += 1;
    // Without a past, the charts begin again, so reset the zoom.
    if (moments.length === 0) this.beginning += 1;
    this.times = [];
    this.values = SERIES.map(() => []);
    this.last = null;
    moments.forEach((moment) => this.add(moment));
    this.redraw();
  }

  // Adds one more moment.
  add(moment) {
    const start = this.runs.get(moment.run)?.started_unix_ms;
    const time = new Date(start === undefined ? moment.unix_seconds * 1000 : start + moment.seconds * 1000);
    // Do not draw a line across the gap between two runs.
    if (this.last !== null && this.last !== moment.run) this.push(time, () => null);
    this.push(time, (series) => series.value(moment));
    this.last = moment.run;
    this.redraw();
  }

  push(time, value) {
    this.revision += 1;
    this.times.push(time);
    SERIES.forEach((series, index) => this.values[index].push(value(series)));
  }

  setHistogram(bins) {
    this.bins = bins;
    this.redraw();
  }

  show(visible) {
    this.visible = visible;
    this.redraw();
  }

  get points() {
    return this.times.length;
  }

  // Draws at most once per frame, and only while the charts are visible.
  redraw() {
    if (!this.visible || this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      if (this.visible) this.draw();
    });
  }

  draw() {
    const look = currentLook();
    const traces = SERIES.map((series, index) => ({
      name: series.name, x: this.times, y: this.values[index], mode: "lines", type: "scatter",
      line: { color: look[series.role], width: 2, shape: series.shape ?? "linear", dash: series.dash ?? "solid" },
      xaxis: "x", yaxis: nth("y", series.chart), legend: nth("legend", series.chart),
      hovertemplate: "%{y:.4~r}",
    }));
    Plotly.react(this.course, traces, this.courseLayout(look), CONFIG);
    if (this.bins?.length) this.drawHistogram(this.bins, look);
  }

  drawHistogram(bins, look) {
    const bars = {
      type: "bar", name: "requests", marker: { color: look.requests },
      x: bins.map((bin) => (bin.low_ms + bin.high_ms) / 2), width: bins.map((bin) => bin.high_ms - bin.low_ms),
      y: bins.map((bin) => bin.count), customdata: bins.map((bin) => [bin.low_ms, bin.high_ms]),
      hovertemplate: "%{customdata[0]:.3f} to %{customdata[1]:.3f} ms: %{y}<extra></extra>",
    };
    Plotly.react(this.histogram, [bars], histogramLayout(bins, look), CONFIG);
  }

  courseLayout(look) {
    const narrow = this.course.clientWidth < 560;
    const layout = {
      ...base(look), height: narrow ? 640 : 760, hovermode: "x unified", hoversubplots: "axis",
      // plotly.js does not notice an array that grew in place. A new number for each moment makes it look.
      uirevision: `course-${this.beginning}`, datarevision: this.revision, hoverdistance: -1, margin: { l: 52, r: 12, t: 30, b: 36 },
      xaxis: { ...axis(look), type: "date", anchor: "y3", title: { text: "time of day" }, hoverformat: "%H:%M:%S",
        // A negative width removes the white rim that plotly.js draws.
        showspikes: true, spikemode: "across", spikethickness: -2, spikedash: "dot", spikecolor: look.quiet },
      annotations: CHARTS.map((chart) => title(chart, look, narrow)), shapes: [],
    };
    CHARTS.forEach((chart, index) => {
      const isEmpty = SERIES.every((series, at) => series.chart !== index + 1 || this.values[at].every((own) => own == null));
      const yaxis = { ...axis(look), domain: chart.domain, rangemode: "tozero", fixedrange: true, anchor: "x" };
      layout[nth("yaxis", index + 1)] = isEmpty ? { ...yaxis, range: [0, 1], showticklabels: false } : yaxis;
      if (isEmpty) layout.annotations.push(emptiness(chart, look));
      const place = narrow ? { x: 0, xanchor: "left" } : { x: 1, xanchor: "right" };
      const legend = { orientation: "h", ...place, y: chart.domain[1], yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" };
      layout[nth("legend", index + 1)] = legend;
    });
    const [first, last] = [this.times[0] - BEFORE_FIRST_MS, this.times.at(-1)];
    const nearMs = (last - first) * MARK_WIDTH / this.course.clientWidth;
    let [row, before] = [0, -Infinity];
    // A run that starts before the shown time has no mark. Names that would overlap are stacked.
    for (const run of [...this.runs.values()].filter((own) => own.started_unix_ms > first)) {
      row = run.started_unix_ms - before < nearMs ? (row + 1) % MARK_ROWS : 0;
      before = run.started_unix_ms;
      this.mark(run, row, layout, look);
    }
    return layout;
  }

  mark(run, row, layout, look) {
    const at = new Date(run.started_unix_ms);
    const line = { color: look.quiet, width: 1, dash: "dash" };
    CHARTS.forEach(({ domain: [y0, y1] }) => layout.shapes.push({ type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0, y1, line }));
    const text = { text: `Run #${run.number}`, showarrow: false, font: { size: 11, color: look.quiet } };
    layout.annotations.push({ ...text, xref: "x", x: at, xanchor: "left", yref: "paper", y: CHARTS[0].domain[1], yanchor: "top", yshift: -14 * row });
  }
}

// Returns the page's colours in the current theme.
function currentLook() {
  const probe = document.createElement("i");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["text", "quiet", "line", "panel", ...SERIES.map((series) => series.role)];
  const look = Object.fromEntries(names.map((name) => [name, colour(name)]));
  probe.remove();
  return look;
}

const base = (look) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
  font: { color: look.text, family: "system-ui, sans-serif", size: 12 },
  hoverlabel: { bgcolor: look.panel, bordercolor: look.line, font: { color: look.text } },
  modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text },
});

const axis = (look) => ({ gridcolor: look.line, linecolor: look.line, zerolinecolor: look.line, automargin: true });

// In a narrow chart, the legend has its own line between the title and the curves.
const title = (chart, look, narrow) => ({
  text: chart.title, showarrow: false, xref: "paper", x: 0, xanchor: "left",
  yref: "paper", y: chart.domain[1], yanchor: "bottom", yshift: narrow ? 20 : 0, font: { size: 13, color: look.text },
});

const emptiness = (chart, look) => ({
  text: "no good reply yet", showarrow: false, xref: "paper", x: 0.5,
  yref: "paper", y: (chart.domain[0] + chart.domain[1]) / 2, font: { size: 13, color: look.quiet },
});

const histogramLayout = (bins, look) => ({
  ...base(look), height: 300, bargap: 0, uirevision: "histogram", margin: { l: 52, r: 12, t: 30, b: 44 },
  xaxis: { ...axis(look), type: "log", title: { text: "response time (ms), logarithmic" }, ...readable(bins) },
  yaxis: { ...axis(look), title: { text: "requests (number)" }, fixedrange: true },
});

// Ticks are 1, 2 and 5 times each power of ten, written out. Within one power of ten they are evenly spaced.
function readable(bins) {
  const decades = Math.log10(bins.at(-1).high_ms / bins[0].low_ms);
  return { tickformat: ",~r", ...(decades >= 1 && { nticks: Math.round(2 * decades) }) };
}
