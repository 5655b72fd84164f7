// The title of the picture that a button saves: of a Bokeh figure as it is now.
window.pictureOf = ({ dataset }) => {
  const title = dataset.of && window.Bokeh.documents[0]?.get_model_by_id(dataset.of)?.title.text
  return title ? (title.text ?? title) : dataset.name
}

// Names and roles for what Bokeh and its widgets leave without, in served and saved pages.
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
  // a tab that is not shown takes no focus; one that is shown again loses the attribute
  for (const panel of place.querySelectorAll("[class^=bk-][aria-hidden], [class^=bk-][inert]")) {
    panel.inert = panel.getAttribute("aria-hidden") === "true"
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
  for (const button of place.querySelectorAll("button[data-save]")) {
    button.setAttribute("aria-label", `save ${window.pictureOf(button)} as ${button.dataset.save.toUpperCase()}`)
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

// tables are built a little after their place is
window.describeSoon = () => [0, 300, 1500].forEach((wait) => setTimeout(() => describe(document), wait))
document.addEventListener("click", window.describeSoon);
(function wait() {
  if (window.Bokeh?.documents?.length) window.describeSoon()
  else setTimeout(wait, 50)
})()
