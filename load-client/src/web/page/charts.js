// The course of the runs as three charts on one time axis, so that hover and zoom are shared; and the
// histogram of response times.

import { percentile } from "./format.js";

// Okabe & Ito's colours: told apart by the colour-blind, readable on light and dark.
const SERIES = [
  { name: "Requests/s", chart: 1, colour: "#0072b2", value: (moment) => moment.total.rates.requests },
  { name: "Failures/s", chart: 1, colour: "#d55e00", value: (moment) => moment.total.rates.failures },
  { name: "50 %", chart: 2, colour: "#009e73", value: (moment) => moment.total.window?.median_ms ?? null },
  { name: "95 %", chart: 2, colour: "#e69f00", value: (moment) => percentile(moment.total.window, 0.95) },
  { name: "99 %", chart: 2, colour: "#cc79a7", value: (moment) => percentile(moment.total.window, 0.99) },
  { name: "Users", chart: 3, colour: "#56b4e9", value: (moment) => moment.users, shape: "hv" },
];
const CHARTS = [
  { title: "Requests and failures per second", domain: [0.715, 0.96] },
  { title: "Response times, last 10 s (ms)", domain: [0.37, 0.615] },
  { title: "Users", domain: [0.025, 0.27] },
];
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

const nth = (name, chart) => (chart === 1 ? name : `${name}${chart}`);

export class Charts {
  constructor(course, histogram) {
    [this.course, this.histogram] = [course, histogram];
    this.revision = 0;
    this.replace({ runs: [], moments: [] });
    this.bins = null;
    this.visible = false;
    this.due = false;
  }

  // Takes the whole history.
  replace({ runs, moments }) {
    this.runs = new Map(runs.map((run) => [run.number, run]));
    this.revision += 1;
    this.times = [];
    this.values = SERIES.map(() => []);
    this.last = null;
    moments.forEach((moment) => this.add(moment));
    this.redraw();
  }

  // Takes one more moment.
  add(moment) {
    const start = this.runs.get(moment.run)?.started_unix_ms;
    const time = new Date(start === undefined ? moment.unix_seconds * 1000 : start + moment.seconds * 1000);
    // A gap between two runs is no line.
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

  // At most one drawing for each frame, and none that nobody sees.
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
      line: { color: series.colour, width: 2, shape: series.shape ?? "linear" },
      xaxis: "x", yaxis: nth("y", series.chart), legend: nth("legend", series.chart),
      hovertemplate: "%{y:.4~r}",
    }));
    Plotly.react(this.course, traces, this.courseLayout(look), CONFIG);
    const bins = this.bins ?? [];
    const bars = {
      type: "bar", name: "requests", marker: { color: "#0072b2" },
      x: bins.map((bin) => (bin.low_ms + bin.high_ms) / 2), width: bins.map((bin) => bin.high_ms - bin.low_ms),
      y: bins.map((bin) => bin.count), customdata: bins.map((bin) => [bin.low_ms, bin.high_ms]),
      hovertemplate: "%{customdata[0]:.3f} to %{customdata[1]:.3f} ms: %{y}<extra></extra>",
    };
    Plotly.react(this.histogram, [bars], histogramLayout(look), CONFIG);
  }

  courseLayout(look) {
    const narrow = this.course.clientWidth < 560;
    const layout = {
      ...base(look), height: narrow ? 640 : 760, hovermode: "x unified", hoversubplots: "axis",
      // Each moment has its own number here: of an array that grew in place plotly.js does not notice.
      uirevision: "course", datarevision: this.revision, hoverdistance: -1, margin: { l: 52, r: 12, t: 24, b: 36 },
      xaxis: { ...axis(look), type: "date", anchor: "y3", hoverformat: "%H:%M:%S",
        // Below zero: without the white rim that plotly.js gives it.
        showspikes: true, spikemode: "across", spikethickness: -2, spikedash: "dot", spikecolor: look.quiet },
      annotations: CHARTS.map((chart) => title(chart, look)), shapes: [],
    };
    CHARTS.forEach((chart, index) => {
      const yaxis = { ...axis(look), domain: chart.domain, rangemode: "tozero", fixedrange: true, anchor: "x" };
      layout[nth("yaxis", index + 1)] = yaxis;
      const legend = { orientation: "h", x: 1, xanchor: "right", y: chart.domain[1], yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" };
      layout[nth("legend", index + 1)] = legend;
    });
    for (const run of this.runs.values()) {
      const at = new Date(run.started_unix_ms);
      const line = { color: look.quiet, width: 1, dash: "dash" };
      CHARTS.forEach(({ domain: [y0, y1] }) => layout.shapes.push({ type: "line", xref: "x", yref: "paper", x0: at, x1: at, y0, y1, line }));
      const text = { text: `Run #${run.number}`, showarrow: false, font: { size: 11, color: look.quiet } };
      layout.annotations.push({ ...text, xref: "x", x: at, xanchor: "left", yref: "paper", y: CHARTS[0].domain[1], yanchor: "top" });
    }
    return layout;
  }
}

function currentLook() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { text: colour("--text"), quiet: colour("--quiet"), grid: colour("--line"), panel: colour("--panel") };
}

const base = (look) => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
  font: { color: look.text, family: "system-ui, sans-serif", size: 12 },
  hoverlabel: { bgcolor: look.panel, bordercolor: look.grid, font: { color: look.text } },
  modebar: { bgcolor: "rgba(0,0,0,0)", color: look.quiet, activecolor: look.text },
});

const axis = (look) => ({ gridcolor: look.grid, linecolor: look.grid, zerolinecolor: look.grid, automargin: true });

const title = (chart, look) => ({
  text: chart.title, showarrow: false, xref: "paper", x: 0, xanchor: "left",
  yref: "paper", y: chart.domain[1], yanchor: "bottom", font: { size: 13, color: look.text },
});

const histogramLayout = (look) => ({
  ...base(look), height: 300, bargap: 0, uirevision: "histogram", margin: { l: 52, r: 12, t: 8, b: 44 },
  xaxis: { ...axis(look), type: "log", title: { text: "response time (ms), logarithmic" } },
  yaxis: { ...axis(look), title: { text: "requests" }, fixedrange: true },
});
