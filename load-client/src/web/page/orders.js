// Buttons and the form: what is asked of the server, and what it answers.

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
    find("order-cancel").addEventListener("click", () => this.dialog.close());
    find("order-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
  }

  // Offers what fits the state.
  show(state) {
    this.state = state;
    const active = ["starting", "running", "stopping"].includes(state.phase);
    this.buttons.new.hidden = active;
    this.buttons.edit.hidden = !(state.phase === "running" && state.offers.edit);
    this.buttons.stop.hidden = !active;
    this.buttons.stop.textContent = state.phase === "stopping" ? "Stop now" : "Stop";
    this.buttons.stop.title = state.phase === "stopping" ? "Do not wait for the requests in flight" : "";
    this.buttons.reset.hidden = state.run === 0;
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
    this.problem.hidden = true;
    this.dialog.showModal();
  }

  async submit() {
    const { fields } = this;
    const body = { users: Number(fields.users.value), spawn_rate: Number(fields.spawnRate.value) };
    if (this.mode === "new") {
      body.run_time = fields.runTime.value.trim();
      if (this.state.offers.rate) body.rate = fields.rate.value.trim();
    }
    const problem = await order(this.mode === "edit" ? "/edit" : "/start", body);
    if (problem === null) return this.dialog.close();
    this.problem.textContent = problem;
    this.problem.hidden = false;
  }

  async send(path, body) {
    this.onProblem(await order(path, body));
  }
}
