// The browser's part of served pages: the busy sign, and going back.
(function wait() {
  const [session] = window.Bokeh?.documents ?? []
  if (!session) return setTimeout(wait, 50)
  const sign = document.getElementById("busy")
  const asks = new Set(["value", "value_throttled", "active", "indices"])

  session.on_change((event) => {
    if (event.model?.name === "finished") {
      sign.textContent = ""
      requestAnimationFrame(() => window.describeSoon())
    } else if (event.sync && asks.has(event.attr)) sign.textContent = "Drawing …"
  })
  session.on_event("connection_lost", () => {
    sign.textContent = "These pages have ended: what served them was stopped."
  })
  // what was chosen is in the address: to go back is to choose it again
  window.addEventListener("popstate", () => window.location.reload())
})()
