// The tables of statistics and failures. Text from the server is only inserted as textContent.

import { bytes, count, elapsed, milliseconds, percentile, rate, share } from "./format.js";

const STATISTICS = [
  { title: "Name", value: (row) => row.name, text: true },
  { title: "# Requests", value: (row) => row.requests, show: count },
  { title: "# Fails", value: (row) => row.failures, show: count },
  { title: "Median", value: (row) => row.response?.median_ms, show: milliseconds },
  { title: "95%ile", value: (row) => percentile(row.response, 0.95), show: milliseconds },
  { title: "99%ile", value: (row) => percentile(row.response, 0.99), show: milliseconds },
  { title: "Average", value: (row) => row.response?.mean_ms, show: milliseconds },
  { title: "Min", value: (row) => row.response?.min_ms, show: milliseconds },
  { title: "Max", value: (row) => row.response?.max_ms, show: milliseconds },
  { title: "Average size", value: (row) => row.mean_bytes, show: bytes },
  { title: "RPS now", value: (row) => row.now?.requests, show: rate },
  { title: "Failures/s now", value: (row) => row.now?.failures, show: rate },
];

const FAILURES = [
  { title: "Name", value: (row) => row.name, text: true },
  { title: "# Occurrences", value: (row) => row.count, show: count },
  { title: "Kind", value: (row) => row.status.replaceAll("_", " "), text: true },
  { title: "Error", value: (row) => row.error, text: true, wide: true },
  { title: "First body", value: (row) => row.first_body ?? "", text: true, wide: true },
  { title: "First seen", value: (row) => row.first_seconds, show: elapsed },
  { title: "Last seen", value: (row) => row.last_seconds, show: elapsed },
];

const MIX = [
  { title: "Name", value: (row) => row.name, text: true },
  { title: "Planned", value: (row) => row.planned, show: (part) => share(part, 1) },
  { title: "Actual", value: (row) => (row.all > 0 ? row.requests / row.all : null), show: (part) => share(part, 1) },
  { title: "# Requests", value: (row) => row.requests, show: count },
];

const WORKERS = [
  { title: "Name", value: (row) => row.name, text: true },
  { title: "State", value: (row) => row.state, text: true },
  { title: "Active", value: (row) => row.active, show: count },
  { title: "# Requests", value: (row) => row.requests, show: count },
  { title: "# Fails", value: (row) => row.failures, show: count },
  { title: "Cores", value: (row) => row.cores, show: (cores) => cores?.toFixed(2) ?? "–" },
  { title: "Lag", value: (row) => row.lag_p99_ms, show: milliseconds },
  { title: "Heard, s ago", value: (row) => row.silent_seconds, show: (seconds) => seconds.toFixed(1) },
];

// A text that an ellipsis may cut. The title has the whole text.
function shortened(text) {
  const box = document.createElement("div");
  box.className = "name";
  box.title = text;
  box.textContent = text;
  return box;
}

class SortableTable {
  constructor(table, columns, sorted) {
    this.table = table;
    this.columns = columns;
    this.sorted = sorted;
    this.rows = [];
    const line = document.createElement("tr");
    this.heads = columns.map((column, index) => {
      const head = document.createElement("th");
      head.scope = "col";
      head.className = column.text ? "text" : "";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => this.sortBy(index));
      head.append(button);
      line.append(head);
      return head;
    });
    table.tHead.append(line);
  }

  sortBy(index) {
    const again = this.sorted?.index === index;
    this.sorted = { index, falling: again ? !this.sorted.falling : !this.columns[index].text };
    this.draw();
  }

  fill(rows, total) {
    this.rows = rows;
    this.total = total;
    this.draw();
  }

  draw() {
    this.heads.forEach((head, index) => {
      if (this.sorted?.index !== index) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", this.sorted.falling ? "descending" : "ascending");
    });
    this.write(this.table.tBodies[0], this.inOrder());
    if (this.table.tFoot) this.write(this.table.tFoot, this.total ? [this.total] : []);
  }

  inOrder() {
    if (!this.sorted) return this.rows;
    const { value } = this.columns[this.sorted.index];
    const sign = this.sorted.falling ? -1 : 1;
    // Undefined values come last in both directions.
    return [...this.rows].sort((one, two) => {
      const [left, right] = [value(one), value(two)];
      if (left == null || right == null) return (left == null) - (right == null);
      return sign * (typeof left === "string" ? left.localeCompare(right) : left - right);
    });
  }

  // Cells are reused, so that a text selection or the focus survives the next second.
  write(body, rows) {
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((row, at) => {
      const line = body.rows[at] ?? body.insertRow();
      this.columns.forEach((column, index) => {
        const cell = line.cells[index] ?? line.insertCell();
        const value = column.value(row);
        const text = column.show ? column.show(value) : value;
        cell.className = [column.text ? "text" : "", column.wide ? "wide" : ""].join(" ").trim();
        if (cell.textContent === text) return;
        cell.textContent = text;
        if (index === 0) cell.replaceChildren(shortened(text));
      });
    });
  }
}

export const statisticsTable = (table) => new SortableTable(table, STATISTICS, null);

export const failuresTable = (table) => new SortableTable(table, FAILURES, { index: 1, falling: true });

export const mixTable = (table) => new SortableTable(table, MIX, null);

export const workersTable = (table) => new SortableTable(table, WORKERS, null);

// Returns the rows of the statistics: figures of the run, rates of the last moment.
export function statisticsRows(summary, moment) {
  const kinds = summary?.kinds ?? [];
  const rows = kinds.map((row, index) => ({ ...row, now: moment?.kinds[index]?.rates }));
  const total = summary && { ...summary.total, now: moment?.total.rates };
  return { rows, total };
}

// Returns the rows of the mix: shares of the plan, requests of the run.
export function mixRows(mix, summary) {
  const all = summary?.total.requests ?? 0;
  return mix.map((kind, index) => ({ ...kind, requests: summary?.kinds[index]?.requests ?? 0, all }));
}
