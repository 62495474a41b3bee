// Follows the server's events. The browser reconnects by itself, and the server sends everything again. After some
// time without an event, and without the server's pings, the connection counts as lost.

const SILENCE_MS = 12000;
const RETRY_MS = 2000;

export function follow(handlers, onConnection) {
  let source = null;
  let watch = 0;

  const alive = () => {
    onConnection(true);
    clearTimeout(watch);
    watch = setTimeout(lost, SILENCE_MS);
  };
  const lost = () => {
    onConnection(false);
    source.close();
    clearTimeout(watch);
    watch = setTimeout(connect, RETRY_MS);
  };
  const connect = () => {
    clearTimeout(watch);
    source = new EventSource("/events");
    source.addEventListener("open", alive);
    source.addEventListener("ping", alive);
    source.addEventListener("error", () => {
      onConnection(false);
      // The browser has closed the connection and does not reconnect by itself.
      if (source.readyState === EventSource.CLOSED) lost();
    });
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        alive();
        handle(JSON.parse(event.data));
      });
    }
    watch = setTimeout(lost, SILENCE_MS);
  };
  // A page that the browser keeps for its back button would keep its connection too, and a browser has only six
  // connections for all its tabs.
  addEventListener("pagehide", () => {
    source.close();
    clearTimeout(watch);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  connect();
}
