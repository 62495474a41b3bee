// The buttons and the form: sends orders to the server and shows its answers.

const PATIENCE_MS = 15000;

async function order(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.ok) return null;
    const problem = await answer.json().catch(() => ({}));
    return problem.detail ?? `the server answers ${answer.status}`;
  } catch (error) {
    return `the server cannot be reached (${error.message}); is load-client still running?`;
  }
}

export class Orders {
  constructor(onProblem) {
    this.onProblem = onProblem;
    this.state = null;
    const find = (id) => document.getElementById(id);
    this.buttons = { new: find("new"), edit: find("edit"), stop: find("stop"), reset: find("reset") };
    this.dialog = find("order");
    this.fields = {
      users: find("order-users"), spawnRate: find("order-spawn-rate"),
      runTime: find("order-run-time"), rate: find("order-rate"),
    };
    this.problem = find("order-problem");
    this.buttons.new.addEventListener("click", () => this.open("new"));
    this.buttons.edit.addEventListener("click", () => this.open("edit"));
    this.buttons.stop.addEventListener("click", () => this.send("/stop", { now: this.state.phase === "stopping" }));
    this.buttons.reset.addEventListener("click", () => this.send("/reset"));
    this.cancel = find("order-cancel");
    this.cancel.addEventListener("click", () => this.close());
    find("order-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  // Before the first run, the form fills the page.
  isFirst(state) {
    return state.run === 0 && state.phase === "ready";
  }

  // Offers the buttons that fit the state.
  show(state) {
    this.state = state;
    const active = ["starting", "running", "stopping"].includes(state.phase);
    this.homeless ||= document.activeElement !== document.body;
    this.buttons.new.hidden = active || this.isFirst(state);
    this.buttons.edit.hidden = !(state.phase === "running" && state.offers.edit);
    this.buttons.stop.hidden = !active;
    this.buttons.stop.textContent = state.phase === "stopping" ? "Stop now" : "Stop";
    this.buttons.stop.title = state.phase === "stopping" ? "Do not wait for the requests in flight" : "";
    this.buttons.reset.hidden = state.run === 0;
    if (this.isFirst(state) && !this.dialog.open) this.open("first");
    if (!this.isFirst(state) && this.mode === "first") this.close();
    this.keepFocus();
  }

  close() {
    this.mode = null;
    this.homeless = this.dialog.contains(document.activeElement);
    this.dialog.close();
    this.keepFocus();
  }

  // A button that disappears passes the focus to the button that takes its place.
  keepFocus() {
    const focused = document.activeElement;
    if (focused !== document.body && focused.checkVisibility()) this.homeless = false;
    const next = [this.buttons.stop, this.buttons.new].find((button) => !button.hidden);
    if (this.homeless) next?.focus();
  }

  open(mode) {
    this.mode = mode;
    const { state, fields } = this;
    const from = mode === "edit" || state.run > 0 ? state : state.defaults;
    fields.users.value = from.users;
    fields.spawnRate.value = from.spawn_rate;
    if (!fields.runTime.value && state.run === 0) fields.runTime.value = state.defaults.run_time;
    if (!fields.rate.value && state.run === 0) fields.rate.value = state.defaults.rate;
    document.getElementById("order-title").textContent = mode === "edit" ? "Edit running load" : "New run";
    document.getElementById("order-send").textContent = mode === "edit" ? "Apply" : "Start";
    document.getElementById("order-run-time-label").hidden = mode === "edit";
    document.getElementById("order-rate-label").hidden = mode === "edit" || !state.offers.rate;
    this.cancel.hidden = mode === "first";
    this.tell(null);
    if (mode === "first") this.dialog.show();
    else this.dialog.showModal();
  }

  async submit() {
    const { fields } = this;
    const body = { users: Number(fields.users.value), spawn_rate: Number(fields.spawnRate.value) };
    if (this.mode !== "edit") {
      body.run_time = fields.runTime.value.trim();
      if (this.state.offers.rate) body.rate = fields.rate.value.trim();
    }
    const problem = await order(this.mode === "edit" ? "/edit" : "/start", body);
    if (problem === null) return this.close();
    this.tell(problem);
  }

  // Replaces the server's name of a field by the label of the form.
  tell(problem) {
    const [, name, reason] = /^(\w+): (.*)$/s.exec(problem ?? "") ?? [];
    let text = problem ?? "";
    for (const field of Object.values(this.fields)) {
      if (field.name !== name) {
        field.removeAttribute("aria-invalid");
        continue;
      }
      field.setAttribute("aria-invalid", "true");
      field.focus();
      text = `${field.labels[0].firstChild.textContent.trim()}: ${reason}`;
    }
    this.problem.textContent = text;
    this.problem.hidden = !text;
  }

  async send(path, body) {
    this.onProblem(await order(path, body));
  }
}
