// <time data-ago> says how long ago it was, and goes on saying it right while the page stays open.
// The server's clock counts, not the reader's: <meta name="server-time"> is when the page was made.
(() => {
  "use strict";
  const made = document.querySelector('meta[name="server-time"]');
  const offset = made ? Date.parse(made.content) - Date.now() : 0;

  function words(seconds) {
    if (seconds < 0) return "soon";
    if (seconds < 5) return "just now";
    if (seconds < 90) return `${Math.round(seconds)} s ago`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
    return `${Math.round(seconds / 86_400)} days ago`;
  }

  function refresh() {
    if (document.hidden) return;
    const now = Date.now() + offset;
    for (const element of document.querySelectorAll("[data-ago]")) {
      const text = words((now - Date.parse(element.dataset.ago)) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("htmx:afterSettle", refresh);
  setInterval(refresh, 5000);
})();
