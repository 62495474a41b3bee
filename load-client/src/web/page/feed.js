// Follows the server's events. The browser reconnects by itself and is told the whole again; after a
// time without any event, the server's pings included, the connection counts as lost.

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
      // Closed for good by the browser: it does not try again by itself.
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
  // A page that the browser keeps for its back button would keep the connection too, and a browser
  // has only six of them for all its tabs.
  addEventListener("pagehide", () => {
    source.close();
    clearTimeout(watch);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  connect();
}
