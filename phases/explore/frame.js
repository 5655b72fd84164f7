// The browser's part of explore's pages: the busy sign, going back, and names for what Bokeh leaves without one.
(function wait() {
  const [session] = window.Bokeh?.documents ?? []
  if (!session) return setTimeout(wait, 50)
  const sign = document.getElementById("busy")
  const asks = new Set(["value", "value_throttled", "active", "indices"])

  session.on_change((event) => {
    if (event.model?.name === "finished") {
      sign.textContent = ""
      // tables are built a little after their place is
      requestAnimationFrame(() => [0, 300].forEach((wait) => setTimeout(() => describe(document), wait)))
    } else if (event.sync && asks.has(event.attr)) sign.textContent = "Drawing …"
  })
  session.on_event("connection_lost", () => {
    sign.textContent = "These pages have ended: what served them was stopped."
  })
  // what was chosen is in the address: to go back is to choose it again
  window.addEventListener("popstate", () => window.location.reload())

  function describe(place) {
    for (const element of place.querySelectorAll("*")) {
      if (element.shadowRoot) describe(element.shadowRoot)
    }
    for (const group of place.querySelectorAll(".bk-input-group")) {
      const label = group.querySelector("label")?.textContent.trim()
      if (!label) continue
      for (const input of group.querySelectorAll("select, [role=combobox], input, .noUi-handle")) {
        input.setAttribute("aria-label", label)
      }
    }
    // between a grid and its rows stands a box that scrolls
    for (const box of place.querySelectorAll("[role=grid] > .tabulator-tableholder")) {
      box.setAttribute("role", "rowgroup")
      box.querySelector(".tabulator-table")?.setAttribute("role", "presentation")
    }
    // the list gives what is chosen an attribute that its role does not have
    for (const chosen of place.querySelectorAll(".choices__list--multiple [aria-selected]")) {
      chosen.removeAttribute("aria-selected")
    }
    for (const box of place.querySelectorAll("input[type=checkbox]:not([aria-label])")) {
      box.setAttribute("aria-label", box.nextElementSibling?.textContent.trim() ?? "")
    }
    for (const handle of place.querySelectorAll("[role=slider]:not([aria-label])")) {
      const host = handle.getRootNode().host
      const beside = [...(host?.parentNode.children ?? [])].filter((one) => one !== host)
      const texts = beside.map((one) => one.shadowRoot?.querySelector("div")?.innerText ?? "")
      const label = texts.find((text) => text.includes(":"))?.split(":")[0].trim()
      if (label) handle.setAttribute("aria-label", label)
    }
    const tabs = [...place.querySelectorAll(".bk-tab")]
    tabs[0]?.parentElement.setAttribute("role", "tablist")
    for (const tab of tabs) {
      const chosen = tab.classList.contains("bk-active")
      tab.setAttribute("role", "tab")
      tab.setAttribute("aria-selected", chosen)
      tab.tabIndex = 0
      tab.onkeydown = (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault()
          tab.click()
        }
      }
    }
  }
})()
