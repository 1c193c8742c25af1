// Keeps a page current. The socket says what changed; the page's sections fetch themselves again.
//
// <main data-live data-socket="/ws/feed" data-client="…" data-agent="…"> switches it on. A section with
// data-kinds="agent switch" hx-trigger="refresh" fetches itself on hints of those kinds; kind `clock` is
// for what ages by itself (heartbeats leave no hint). A hint of a kind that no section names refreshes all.
(() => {
  "use strict";
  const page = document.querySelector("[data-live]");
  if (!page) return;

  const GATHER_MS = 150; // hints come in bursts; sections fetch once for each
  const POLL_MS = 10_000; // with no socket
  const CLOCK_MS = 30_000;
  const LONGEST_WAIT_MS = 15_000;
  const LOGGED_OUT = 4401;
  const words = {
    live: "Live",
    connecting: "Connecting…",
    polling: "Connection lost: updating every 10 seconds, reconnecting",
    paused: "Logged out: log in again to go on",
  };
  const label = document.getElementById("live-state");
  const { client, agent, socket: address } = page.dataset;
  let gathered = new Set();
  let gathering = 0;
  let polling = 0;
  let failures = 0;

  function say(state) {
    if (!label || label.dataset.state === state) return;
    label.dataset.state = state;
    label.textContent = words[state];
  }

  function flush() {
    gathering = 0;
    if (document.hidden) return; // what was gathered is fetched when somebody looks
    const kinds = gathered;
    gathered = new Set();
    for (const section of page.querySelectorAll("[data-kinds]")) {
      const own = section.dataset.kinds.split(" ");
      if (kinds.has("all") || own.some((kind) => kinds.has(kind))) {
        section.dispatchEvent(new CustomEvent("refresh"));
      }
    }
  }

  function gather(kind) {
    gathered.add(kind);
    gathering ||= setTimeout(flush, GATHER_MS);
  }

  function heard(message) {
    const hint = JSON.parse(message.data);
    if (hint.client_id && hint.client_id !== client) return;
    if (agent && hint.agent_id && hint.agent_id !== agent) return;
    const known = page.querySelector(`[data-kinds~="${CSS.escape(hint.kind)}"]`);
    gather(known ? hint.kind : "all");
  }

  function poll() {
    polling ||= setInterval(() => gather("all"), POLL_MS);
  }

  function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${address}`);
    socket.addEventListener("open", () => {
      failures = 0;
      clearInterval(polling);
      polling = 0;
      say("live");
      gather("all"); // whatever happened while nobody listened
    });
    socket.addEventListener("message", heard);
    socket.addEventListener("close", (event) => {
      if (event.code === LOGGED_OUT) {
        say("paused");
        return;
      }
      say("polling");
      poll();
      const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures);
      failures += 1;
      setTimeout(connect, wait * (0.5 + Math.random() / 2)); // not all pages at once
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) gather("all");
  });
  // Not there any more, or not for this person any more: show what is true now.
  document.addEventListener("htmx:responseError", (event) => {
    if ([403, 404].includes(event.detail.xhr.status)) location.reload();
  });
  setInterval(() => gather("clock"), CLOCK_MS);
  say("connecting");
  if (address && "WebSocket" in window) connect();
  else {
    say("polling");
    poll();
  }
})();
